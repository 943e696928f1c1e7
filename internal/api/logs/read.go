package logs

import (
	"context"
	"math"

	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/telemetry"
	"github.com/lamina-dev/lamina/internal/telemetry/pattern"
)

func (a *API) getEvents(ctx context.Context, in *model.GetLogEventsRequest) (*model.GetLogEventsResponse, error) {
	scope := scopeOf(ctx)
	name, err := groupName(scope, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	group, _, err := a.stream(a.view, scope, name, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	w := telemetry.Window{
		Start: value(in.StartTime), End: before(in.EndTime),
		Limit: int(value(in.Limit)), FromHead: value(in.StartFromHead), Token: value(in.NextToken),
	}
	s, err := a.events.Get(ctx, eventsOf(group.Value), *in.LogStreamName, w)
	if err != nil {
		return nil, err
	}
	out := &model.GetLogEventsResponse{Events: []model.OutputLogEvent{}, NextForwardToken: &s.Forward, NextBackwardToken: &s.Backward}
	for _, e := range s.Events {
		out.Events = append(out.Events, model.OutputLogEvent{Timestamp: &e.Timestamp, Message: &e.Message, IngestionTime: &e.Ingestion})
	}
	return out, nil
}

func (a *API) filterEvents(ctx context.Context, in *model.FilterLogEventsRequest) (*model.FilterLogEventsResponse, error) {
	filter, err := eventFilter(in)
	if err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	name, err := groupName(scope, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	group, err := a.group(a.view, scope, name)
	if err != nil {
		return nil, err
	}
	for _, stream := range in.LogStreamNames {
		if _, _, err := a.stream(a.view, scope, name, stream); err != nil {
			return nil, err
		}
	}
	page, err := a.events.Query(ctx, eventsOf(group.Value), filter)
	if err != nil {
		return nil, err
	}
	return filterShape(page), nil
}

func eventFilter(in *model.FilterLogEventsRequest) (f telemetry.Filter, err error) {
	if in.LogStreamNames != nil && in.LogStreamNamePrefix != nil {
		// The reference says InvalidParameterException; text chosen.
		return f, invalid("logStreamNames and logStreamNamePrefix cannot be specified at the same time.")
	}
	f = telemetry.Filter{
		Streams: in.LogStreamNames, Prefix: value(in.LogStreamNamePrefix),
		Start: value(in.StartTime), End: after(in.EndTime), Limit: int(value(in.Limit)),
		// New in the model of 2026; that its absence means oldest first is chosen, as it always was so.
		Descending: in.StartFromHead != nil && !*in.StartFromHead,
	}
	if text := value(in.FilterPattern); text != "" {
		p, err := pattern.Compile(text)
		if err != nil {
			return f, err
		}
		f.Pattern = p
	}
	if in.NextToken != nil {
		p, err := telemetry.ParsePosition(*in.NextToken)
		if err != nil {
			return f, err
		}
		f.After = &p
	}
	return f, nil
}

func filterShape(page telemetry.Page) *model.FilterLogEventsResponse {
	out := &model.FilterLogEventsResponse{
		Events:             []model.FilteredLogEvent{},
		SearchedLogStreams: []model.SearchedLogStream{}, // always empty on AWS since May 2020
	}
	for _, e := range page.Events {
		out.Events = append(out.Events, model.FilteredLogEvent{
			LogStreamName: &e.Stream, Timestamp: &e.Timestamp, Message: &e.Message,
			IngestionTime: &e.Ingestion, EventId: &e.ID,
		})
	}
	if page.Next != nil {
		out.NextToken = new(page.Next.String())
	}
	return out
}

// before turns GetLogEvents' end, which is exclusive, into a filter's: 0 there
// means no end.
func before(end *int64) int64 {
	switch {
	case end == nil:
		return 0
	case *end == 0:
		return -1
	}
	return *end
}

// after is before for FilterLogEvents, whose end is inclusive.
func after(end *int64) int64 {
	if end == nil || *end == math.MaxInt64 {
		return 0
	}
	return *end + 1
}
