package logs

import (
	"cmp"
	"context"
	"slices"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/telemetry"
)

// sequenceToken is given wherever AWS still shows one; AWS has ignored what
// comes back since 2023, so it says nothing (chosen).
const sequenceToken = "49039859629562297838422404870210000000000000000000000000"

func (a *API) createStream(ctx context.Context, in *model.CreateLogStreamRequest) (*awsproto.Empty, error) {
	st := lamina.LogStream{Scope: scopeOf(ctx), Group: *in.LogGroupName, Name: *in.LogStreamName, Created: a.now()}
	_, err := a.view.Update(ctx, func(tx *view.Tx) error {
		group, err := a.group(tx, st.Scope, st.Group)
		if err != nil {
			return err
		}
		if a.streams.At(tx).Has(st.Key()) {
			return lamina.Errorf(codeAlreadyExists, "The specified log stream already exists")
		}
		tx.Guard(a.groups.AtRevision(group), a.streams.Absent(st.Key()))
		return tx.Do(a.streams.Put(st.Key(), st))
	})
	return nil, err
}

func (a *API) deleteStream(ctx context.Context, in *model.DeleteLogStreamRequest) (*awsproto.Empty, error) {
	scope := scopeOf(ctx)
	var group lamina.LogGroup
	_, err := a.view.Update(ctx, func(tx *view.Tx) error {
		g, st, err := a.stream(tx, scope, *in.LogGroupName, *in.LogStreamName)
		if err != nil {
			return err
		}
		group = g.Value
		tx.Guard(a.streams.AtRevision(st))
		return tx.Do(a.streams.Delete(st.Key))
	})
	if err != nil {
		return nil, err
	}
	return nil, a.events.DeleteStream(ctx, eventsOf(group), *in.LogStreamName)
}

// listed is a stream with what telemetry knows of it.
type listed struct {
	lamina.LogStream
	stats telemetry.StreamStats
}

func (a *API) describeStreams(ctx context.Context, in *model.DescribeLogStreamsRequest) (*model.DescribeLogStreamsResponse, error) {
	scope := scopeOf(ctx)
	name, err := groupName(scope, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := value(in.OrderBy) == model.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	after, err := decodeToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	group, err := a.group(a.view, scope, name)
	if err != nil {
		return nil, err
	}
	streams, err := a.listStreams(group.Value, value(in.LogStreamNamePrefix))
	if err != nil {
		return nil, err
	}
	return streamPage(streams, byTime, value(in.Descending), after, limitOf(in.Limit)), nil
}

func (a *API) listStreams(g lamina.LogGroup, prefix string) ([]listed, error) {
	stats, err := a.events.Streams(eventsOf(g))
	if err != nil {
		return nil, err
	}
	var streams []listed
	for row := range a.streams.At(a.view).Scan(g.StreamPrefix()) {
		if st := row.Value; len(st.Name) >= len(prefix) && st.Name[:len(prefix)] == prefix {
			streams = append(streams, listed{st, stats[st.Name]})
		}
	}
	return streams, nil
}

func streamPage(streams []listed, byTime, descending bool, after cursor, limit int) *model.DescribeLogStreamsResponse {
	at := func(s listed) cursor {
		c := cursor{name: s.Name}
		if byTime {
			c.time = s.stats.Last
		}
		return c
	}
	order := func(a, b cursor) int {
		n := cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.name, b.name))
		if descending {
			return -n
		}
		return n
	}
	if after.set {
		streams = slices.DeleteFunc(streams, func(s listed) bool { return order(at(s), after) <= 0 })
	}
	slices.SortFunc(streams, func(a, b listed) int { return order(at(a), at(b)) })
	out := &model.DescribeLogStreamsResponse{LogStreams: []model.LogStream{}}
	for i, s := range streams {
		if i == limit {
			out.NextToken = encodeToken(at(streams[i-1]))
			break
		}
		out.LogStreams = append(out.LogStreams, streamShape(s))
	}
	return out
}

func streamShape(s listed) model.LogStream {
	shape := model.LogStream{
		LogStreamName:       &s.Name,
		CreationTime:        millis(s.Created),
		Arn:                 new(s.ARN()),
		StoredBytes:         new(int64(0)), // always so on AWS since June 2019
		UploadSequenceToken: new(sequenceToken),
	}
	if s.stats.Events > 0 {
		shape.FirstEventTimestamp = &s.stats.First
		shape.LastEventTimestamp = &s.stats.Last
		shape.LastIngestionTime = &s.stats.LastIngestion
	}
	return shape
}
