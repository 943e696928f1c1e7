// Package logs serves the CloudWatch Logs operations and takes in what functions
// log: groups and streams are store objects, their events telemetry's.
package logs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/telemetry"
)

// What the tables' keys begin with.
const (
	GroupPrefix  = "logs/group/"
	StreamPrefix = "logs/stream/"
)

// Error codes of CloudWatch Logs.
const (
	codeInvalidParameter = "InvalidParameterException"
	codeAlreadyExists    = "ResourceAlreadyExistsException"
	codeTooManyTags      = "TooManyTagsException"
)

// API is the service.
type API struct {
	view    *view.View
	groups  *view.Table[lamina.LogGroup]
	streams *view.Table[lamina.LogStream]
	events  *telemetry.Logs
	now     lamina.Clock
}

// New makes the service. The tables belong to v and have the prefixes
// GroupPrefix and StreamPrefix; logs must be running.
func New(v *view.View, groups *view.Table[lamina.LogGroup], streams *view.Table[lamina.LogStream], logs *telemetry.Logs, now lamina.Clock) *API {
	return &API{view: v, groups: groups, streams: streams, events: logs, now: now}
}

// Register adds the operations to the front door.
func (a *API) Register(mux *awsproto.Mux) {
	awsproto.Handle(mux, model.CreateLogGroup, a.createGroup)
	awsproto.Handle(mux, model.DeleteLogGroup, a.deleteGroup)
	awsproto.Handle(mux, model.DescribeLogGroups, a.describeGroups)
	awsproto.Handle(mux, model.CreateLogStream, a.createStream)
	awsproto.Handle(mux, model.DeleteLogStream, a.deleteStream)
	awsproto.Handle(mux, model.DescribeLogStreams, a.describeStreams)
	awsproto.Handle(mux, model.PutLogEvents, a.putEvents)
	awsproto.Handle(mux, model.GetLogEvents, a.getEvents)
	awsproto.Handle(mux, model.FilterLogEvents, a.filterEvents)
	awsproto.Handle(mux, model.PutRetentionPolicy, a.putRetention)
	awsproto.Handle(mux, model.DeleteRetentionPolicy, a.deleteRetention)
	awsproto.Handle(mux, model.TagLogGroup, a.tagGroup)
	awsproto.Handle(mux, model.UntagLogGroup, a.untagGroup)
	awsproto.Handle(mux, model.ListTagsLogGroup, a.listGroupTags)
	awsproto.Handle(mux, model.TagResource, a.tagResource)
	awsproto.Handle(mux, model.UntagResource, a.untagResource)
	awsproto.Handle(mux, model.ListTagsForResource, a.listTags)
}

// Restore tells telemetry what the store knows of the groups: their retention,
// and which event files no group owns any more. Call it once at start, when the
// view is open and telemetry runs, before the first request.
func (a *API) Restore(ctx context.Context) error {
	var keys []telemetry.GroupKey
	for row := range a.groups.All() {
		keys = append(keys, eventsOf(row.Value))
	}
	if err := a.events.Retain(ctx, keys); err != nil {
		return fmt.Errorf("removing the events of deleted log groups: %w", err)
	}
	a.applyRetention()
	return nil
}

func (a *API) applyRetention() {
	for row := range a.groups.All() {
		a.events.SetRetention(eventsOf(row.Value), row.Value.RetentionDays)
	}
}

// eventsOf is where telemetry keeps a group's events. A group made anew under
// an old name has a place of its own, so nothing of the old one can show up in it.
func eventsOf(g lamina.LogGroup) telemetry.GroupKey {
	return telemetry.GroupKey{Scope: g.Scope, Name: g.Name, Incarnation: g.Created.UnixNano()}
}

func errNoGroup() error {
	return lamina.Errorf(lamina.CodeResourceNotFound, "The specified log group does not exist.")
}

func errNoStream() error {
	return lamina.Errorf(lamina.CodeResourceNotFound, "The specified log stream does not exist.")
}

func invalid(format string, args ...any) error {
	return lamina.Errorf(codeInvalidParameter, format, args...)
}

func errToken() error { return invalid("The specified nextToken is invalid.") }

func scopeOf(ctx context.Context) lamina.Scope { return lamina.CallerFrom(ctx).Scope }

func groupKey(s lamina.Scope, name string) string { return lamina.LogGroup{Scope: s, Name: name}.Key() }

// group finds a group at src by its name.
func (a *API) group(src view.Source, s lamina.Scope, name string) (view.Row[lamina.LogGroup], error) {
	row, ok := a.groups.At(src).Get(groupKey(s, name))
	if !ok {
		return row, errNoGroup()
	}
	return row, nil
}

// stream finds a stream at src, and its group.
func (a *API) stream(src view.Source, s lamina.Scope, group, name string) (view.Row[lamina.LogGroup], view.Row[lamina.LogStream], error) {
	g, err := a.group(src, s, group)
	if err != nil {
		return g, view.Row[lamina.LogStream]{}, err
	}
	row, ok := a.streams.At(src).Get(lamina.LogStream{Scope: s, Group: group, Name: name}.Key())
	if !ok {
		return g, row, errNoStream()
	}
	return g, row, nil
}

// groupName is the group that a request names: by exactly one of name and
// identifier, which is a name or the caller's own ARN.
func groupName(s lamina.Scope, name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", invalid("logGroupName and logGroupIdentifier cannot be specified at the same time.") // text chosen
	case name != nil:
		return *name, nil
	case identifier != nil:
		return nameOf(s, *identifier)
	}
	return "", invalid("logGroupName or logGroupIdentifier is required.") // text chosen
}

// nameOf takes a group's name out of its ARN; a name stays as it is. Groups of
// other accounts and regions are not to be found here.
func nameOf(s lamina.Scope, identifier string) (string, error) {
	if !strings.HasPrefix(identifier, "arn:") {
		return identifier, nil
	}
	service, region, account, resource, ok := lamina.SplitARN(identifier)
	name, isGroup := strings.CutPrefix(resource, "log-group:")
	if !ok || service != "logs" || !isGroup {
		return "", invalid("Invalid log group ARN: %s", identifier) // text chosen
	}
	if region != s.Region || account != s.Account {
		return "", errNoGroup()
	}
	return strings.TrimSuffix(name, ":*"), nil
}

func millis(t time.Time) *int64 { return new(t.UnixMilli()) }

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
