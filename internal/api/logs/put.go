package logs

import (
	"context"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/telemetry"
)

// Limits of one PutLogEvents request, from AWS's reference of the operation.
const (
	batchBytes = 1_048_576
	batchSpan  = 24 * time.Hour
	maxAge     = 14 * 24 * time.Hour
	maxAhead   = 2 * time.Hour
)

func (a *API) putEvents(ctx context.Context, in *model.PutLogEventsRequest) (*model.PutLogEventsResponse, error) {
	events, err := readBatch(in.LogEvents)
	if err != nil {
		return nil, err
	}
	group, _, err := a.stream(a.view, scopeOf(ctx), *in.LogGroupName, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	accepted, rejected := a.sift(group.Value, events)
	if len(accepted) > 0 {
		if err := a.events.Append(ctx, eventsOf(group.Value), *in.LogStreamName, accepted, true); err != nil {
			return nil, err
		}
	}
	return &model.PutLogEventsResponse{NextSequenceToken: new(sequenceToken), RejectedLogEventsInfo: rejected}, nil
}

// readBatch checks what holds for the batch as a whole.
func readBatch(in []model.InputLogEvent) ([]telemetry.Event, error) {
	events := make([]telemetry.Event, len(in))
	for i, e := range in {
		events[i] = telemetry.Event{Timestamp: *e.Timestamp, Message: *e.Message}
		if i > 0 && events[i].Timestamp < events[i-1].Timestamp {
			return nil, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size := telemetry.Size(events); size > batchBytes {
		return nil, invalid("Upload too large: %d bytes exceeds limit of %d", size, batchBytes)
	}
	if n := len(events); n > 0 && events[n-1].Timestamp-events[0].Timestamp > batchSpan.Milliseconds() {
		return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return events, nil
}

// sift leaves out events that are too old, too new, or that the group's
// retention would remove at once. Both end indexes are exclusive.
func (a *API) sift(g lamina.LogGroup, events []telemetry.Event) ([]telemetry.Event, *model.RejectedLogEventsInfo) {
	now := a.now()
	tooOld := firstAt(events, now.Add(-maxAge))
	expired := 0
	if g.RetentionDays > 0 {
		expired = firstAt(events, now.AddDate(0, 0, -g.RetentionDays))
	}
	tooNew := firstAt(events, now.Add(maxAhead+time.Millisecond))
	from := max(tooOld, expired)
	if from == 0 && tooNew == len(events) {
		return events, nil
	}
	info := &model.RejectedLogEventsInfo{}
	if tooOld > 0 {
		info.TooOldLogEventEndIndex = new(int32(tooOld))
	}
	if expired > 0 {
		info.ExpiredLogEventEndIndex = new(int32(expired))
	}
	if tooNew < len(events) {
		info.TooNewLogEventStartIndex = new(int32(tooNew))
	}
	return events[min(from, tooNew):tooNew], info
}

// firstAt is the index of the first event at t or later.
func firstAt(events []telemetry.Event, t time.Time) int {
	for i, e := range events {
		if e.Timestamp >= t.UnixMilli() {
			return i
		}
	}
	return len(events)
}
