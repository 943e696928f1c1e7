//lint:file-ignore SA1019 clients still send the old parameters

package logs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/telemetry"
)

func batchOf(ops ...store.Op) store.Batch { return store.Batch{Ops: ops} }

func (s service) newStream(t *testing.T, group, name string) {
	t.Helper()
	must(s.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &name}))(t)
}

// put writes messages a millisecond apart, the first of them now.
func (s service) put(t *testing.T, group, stream string, messages ...string) *cloudwatchlogs.PutLogEventsOutput {
	t.Helper()
	var events []types.InputLogEvent
	for i, m := range messages {
		events = append(events, types.InputLogEvent{Timestamp: new(s.ms() + int64(i)), Message: aws.String(m)})
	}
	return must(s.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events}))(t)
}

func (s service) filter(t *testing.T, in *cloudwatchlogs.FilterLogEventsInput) (messages []string) {
	t.Helper()
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(s.Client, in)
	for pages.HasMorePages() {
		for _, e := range must(pages.NextPage(t.Context()))(t).Events {
			messages = append(messages, *e.Message)
		}
	}
	return messages
}

func TestStreams(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	s.newGroup(t, "g", "b", "a", "c/1", "c/2")
	_, err := s.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: new("g"), LogStreamName: new("a")})
	wantError(t, err, "ResourceAlreadyExistsException", "The specified log stream already exists")
	_, err = s.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: new("x"), LogStreamName: new("a")})
	wantError(t, err, "ResourceNotFoundException", "The specified log group does not exist.")

	s.put(t, "g", "b", "1")
	s.advance(time.Second)
	s.put(t, "g", "a", "2")
	names := func(in cloudwatchlogs.DescribeLogStreamsInput) (names []string) {
		t.Helper()
		in.LogGroupName = new("g")
		pages := cloudwatchlogs.NewDescribeLogStreamsPaginator(s.Client, &in)
		for pages.HasMorePages() {
			for _, st := range must(pages.NextPage(ctx))(t).LogStreams {
				names = append(names, *st.LogStreamName)
			}
		}
		return names
	}
	for _, c := range []struct {
		in   cloudwatchlogs.DescribeLogStreamsInput
		want string
	}{
		{cloudwatchlogs.DescribeLogStreamsInput{}, "a b c/1 c/2"},
		{cloudwatchlogs.DescribeLogStreamsInput{Limit: new(int32(1))}, "a b c/1 c/2"},
		{cloudwatchlogs.DescribeLogStreamsInput{Descending: new(true), Limit: new(int32(3))}, "c/2 c/1 b a"},
		{cloudwatchlogs.DescribeLogStreamsInput{LogStreamNamePrefix: new("c/")}, "c/1 c/2"},
		{cloudwatchlogs.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime, Descending: new(true), Limit: new(int32(2))}, "a b c/2 c/1"},
	} {
		if got := strings.Join(names(c.in), " "); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.in, got, c.want)
		}
	}
	_, err = s.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: new("g"), LogStreamNamePrefix: new("a"), OrderBy: types.OrderByLastEventTime})
	wantError(t, err, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	_, err = s.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{})
	wantError(t, err, "InvalidParameterException", "")

	out := must(s.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupIdentifier: new("arn:aws:logs:us-east-1:000000000000:log-group:g"), Limit: new(int32(1)),
	}))(t)
	st := out.LogStreams[0]
	if *st.Arn != "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:a" || *st.LastEventTimestamp != s.ms() || *st.LastIngestionTime != s.ms() {
		t.Errorf("stream %+v", st)
	}
	must(s.DeleteLogStream(ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: new("g"), LogStreamName: new("a")}))(t)
	_, err = s.DeleteLogStream(ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: new("g"), LogStreamName: new("a")})
	wantError(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	if got := s.filter(t, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g")}); !slices.Equal(got, []string{"1"}) {
		t.Errorf("after deleting the stream: %q", got)
	}
}

func TestPutLogEventsRefusals(t *testing.T) {
	s := start(t)
	s.newGroup(t, "g", "s")
	event := func(ts int64, m string) types.InputLogEvent {
		return types.InputLogEvent{Timestamp: &ts, Message: &m}
	}
	now := s.ms()
	big := strings.Repeat("x", 600<<10)
	var many []types.InputLogEvent
	for range 10_001 {
		many = append(many, event(now, "x"))
	}
	for name, c := range map[string]struct {
		group, stream string
		events        []types.InputLogEvent
		code, message string
	}{
		"no group":  {"x", "s", []types.InputLogEvent{event(now, "m")}, "ResourceNotFoundException", "The specified log group does not exist."},
		"no stream": {"g", "x", []types.InputLogEvent{event(now, "m")}, "ResourceNotFoundException", "The specified log stream does not exist."},
		"order":     {"g", "s", []types.InputLogEvent{event(now, "m"), event(now-1, "m")}, "InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order."},
		"size":      {"g", "s", []types.InputLogEvent{event(now, big), event(now, big)}, "InvalidParameterException", fmt.Sprintf("Upload too large: %d bytes exceeds limit of 1048576", 2*(600<<10+26))},
		"span":      {"g", "s", []types.InputLogEvent{event(now-86_400_001, "m"), event(now, "m")}, "InvalidParameterException", "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."},
		"count":     {"g", "s", many, "InvalidParameterException", ""},
		"empty":     {"g", "s", []types.InputLogEvent{event(now, "")}, "InvalidParameterException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &c.group, LogStreamName: &c.stream, LogEvents: c.events})
			wantError(t, err, c.code, c.message)
		})
	}
	if got := s.filter(t, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g")}); len(got) != 0 {
		t.Errorf("a refused batch left %q", got)
	}
}

func TestRejectedEvents(t *testing.T) {
	s := start(t)
	day := int64(86_400_000)
	at := func(offsets ...int64) (events []telemetry.Event) {
		for _, o := range offsets {
			events = append(events, telemetry.Event{Timestamp: s.ms() + o})
		}
		return events
	}
	for name, c := range map[string]struct {
		retention int
		events    []telemetry.Event
		kept      int
		want      *model.RejectedLogEventsInfo
	}{
		"all fit":     {0, at(-14*day, 0, day/12), 3, nil},
		"old":         {0, at(-14*day-1, -14*day), 1, &model.RejectedLogEventsInfo{TooOldLogEventEndIndex: new(int32(1))}},
		"new":         {0, at(0, day/12, day/12+1), 2, &model.RejectedLogEventsInfo{TooNewLogEventStartIndex: new(int32(2))}},
		"expired":     {3, at(-3*day-2, -3*day-1, 0), 1, &model.RejectedLogEventsInfo{ExpiredLogEventEndIndex: new(int32(2))}},
		"nothing fit": {0, at(-15*day, day), 0, &model.RejectedLogEventsInfo{TooOldLogEventEndIndex: new(int32(1)), TooNewLogEventStartIndex: new(int32(1))}},
	} {
		t.Run(name, func(t *testing.T) {
			s.newGroup(t, "g")
			defer s.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: new("g")})
			row, err := s.group(s.view, scope, "g")
			if err != nil {
				t.Fatal(err)
			}
			row.Value.RetentionDays = c.retention
			kept, info := s.sift(row.Value, c.events)
			if diff := cmp.Diff(c.want, info); diff != "" || len(kept) != c.kept {
				t.Errorf("kept %d, want %d\n%s", len(kept), c.kept, diff)
			}
		})
	}
}

func TestGetLogEventsPages(t *testing.T) {
	s := start(t)
	s.newGroup(t, "g", "s")
	var all []string
	for i := range 25 {
		all = append(all, fmt.Sprintf("m%02d", i))
	}
	s.put(t, "g", "s", all...)
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), StartFromHead: new(true), Limit: new(int32(10))}
	var got []string
	pages := cloudwatchlogs.NewGetLogEventsPaginator(s.Client, in, func(o *cloudwatchlogs.GetLogEventsPaginatorOptions) { o.StopOnDuplicateToken = true })
	for pages.HasMorePages() {
		for _, e := range must(pages.NextPage(t.Context()))(t).Events {
			got = append(got, *e.Message)
		}
	}
	if !slices.Equal(got, all) {
		t.Errorf("forwards: %q", got)
	}
	tail := must(s.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), Limit: new(int32(2)), EndTime: new(s.ms() + 20)}))(t)
	if len(tail.Events) != 2 || *tail.Events[1].Message != "m19" {
		t.Errorf("the tail before an end: %+v", tail.Events)
	}
	_, err := s.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("x")})
	wantError(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	_, err = s.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), NextToken: new("x")})
	wantError(t, err, "InvalidParameterException", "The specified nextToken is invalid.")
}

func TestFilterLogEvents(t *testing.T) {
	s := start(t)
	s.newGroup(t, "g", "a/1", "a/2", "b")
	t0 := s.ms()
	s.put(t, "g", "a/1", `{"level":"ERROR","n":1}`, `{"level":"INFO","n":2}`)
	s.advance(time.Second)
	s.put(t, "g", "a/2", `plain ERROR`)
	s.put(t, "g", "b", `{"level":"ERROR","n":7}`)
	for name, c := range map[string]struct {
		in   cloudwatchlogs.FilterLogEventsInput
		want int
	}{
		"all":           {cloudwatchlogs.FilterLogEventsInput{}, 4},
		"pages of one":  {cloudwatchlogs.FilterLogEventsInput{Limit: new(int32(1))}, 4},
		"term":          {cloudwatchlogs.FilterLogEventsInput{FilterPattern: new("ERROR")}, 3},
		"json":          {cloudwatchlogs.FilterLogEventsInput{FilterPattern: new(`{ $.level = "ERROR" && ($.n > 3 || $.x = "a*") }`)}, 1},
		"streams":       {cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"a/1", "b"}}, 3},
		"prefix":        {cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: new("a/")}, 3},
		"start":         {cloudwatchlogs.FilterLogEventsInput{StartTime: new(t0 + 1)}, 3},
		"end inclusive": {cloudwatchlogs.FilterLogEventsInput{EndTime: new(t0 + 1)}, 2},
		"end zero":      {cloudwatchlogs.FilterLogEventsInput{EndTime: new(int64(0))}, 0},
		"interleaved":   {cloudwatchlogs.FilterLogEventsInput{Interleaved: new(true)}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.LogGroupName = new("g")
			if got := s.filter(t, &c.in); len(got) != c.want {
				t.Errorf("got %q, want %d", got, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		in   cloudwatchlogs.FilterLogEventsInput
		code string
	}{
		"bad pattern": {cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g"), FilterPattern: new("{ $.a")}, "InvalidParameterException"},
		"both":        {cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g"), LogStreamNames: []string{"b"}, LogStreamNamePrefix: new("a")}, "InvalidParameterException"},
		"no stream":   {cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g"), LogStreamNames: []string{"x"}}, "ResourceNotFoundException"},
		"no group":    {cloudwatchlogs.FilterLogEventsInput{LogGroupIdentifier: new("x")}, "ResourceNotFoundException"},
		"bad token":   {cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g"), NextToken: new("x")}, "InvalidParameterException"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.FilterLogEvents(t.Context(), &c.in)
			wantError(t, err, c.code, "")
		})
	}
	out := must(s.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g"), Limit: new(int32(1))}))(t)
	if e := out.Events[0]; len(*e.EventId) != 56 || *e.LogStreamName != "a/1" || *e.Timestamp != t0 || *e.IngestionTime != t0 {
		t.Errorf("event %+v", e)
	}
}
