package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/lamina-dev/lamina"
	apilogs "github.com/lamina-dev/lamina/internal/api/logs"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/telemetry"
	"github.com/lamina-dev/lamina/internal/wire"
)

// logSink hands agents' lines to the Logs service.
type logSink struct{ to *apilogs.Ingester }

// Ingest implements fleet.LogSink.
func (l logSink) Ingest(scope lamina.Scope, group, stream string, events []wire.LogEvent) {
	out := make([]telemetry.Event, len(events))
	for i, e := range events {
		out[i] = telemetry.Event{Timestamp: e.UnixMilli, Message: e.Message}
	}
	l.to.Ingest(scope, group, stream, out)
}

// logWriters knows which roles may write into which log groups. Answers are
// kept until IAM changes, as agents' batches ask all the time.
type logWriters struct {
	roles    *iam.Roles
	versions *view.Table[lamina.Version]
	changed  <-chan struct{}

	mu    sync.Mutex
	known map[string]bool // by role and group ARN
}

func newLogWriters(v *view.View, roles *iam.Roles, t tables.IAM, versions *view.Table[lamina.Version]) *logWriters {
	changed, _ := v.Subscribe(t.Roles.Prefix(), t.Policies.Prefix()) // ends with the view
	return &logWriters{roles: roles, versions: versions, changed: changed, known: map[string]bool{}}
}

// may says whether a role may write into a log group.
func (w *logWriters) may(roleARN string, scope lamina.Scope, group string) bool {
	arn := "arn:aws:logs:" + scope.Region + ":" + scope.Account + ":log-group:" + group + ":log-stream:lamina"
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.changed: // before the tables are read: an answer is never older than the change
		clear(w.known)
	default:
	}
	ok, known := w.known[roleARN+" "+arn]
	if !known {
		ok = true
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
			ok = ok && w.roles.Allows(context.Background(), roleARN, iam.Request{Action: action, Resource: arn})
		}
		w.known[roleARN+" "+arn] = ok
	}
	return ok
}

// refusal says what keeps a version's execution role from writing its lines; nil: nothing.
func (w *logWriters) refusal(versionKey string) *network.Missing {
	v, ok := w.versions.Get(versionKey)
	if !ok {
		return nil // it is gone, and what it said last may stay
	}
	c := v.Value.Config
	if w.may(c.RoleARN, v.Value.Scope, c.Logging.Group) {
		return nil
	}
	return &network.Missing{
		Code:   "role",
		Text:   fmt.Sprintf("the execution role %s does not allow logs:CreateLogStream and logs:PutLogEvents in log group %s", c.RoleARN, c.Logging.Group),
		Remedy: "Attach the managed policy AWSLambdaBasicExecutionRole to the role.",
	}
}
