package agent

import (
	"cmp"
	"context"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/wire"
)

// verdict is what is left of an ordinary function's environment that could not
// start: the invocation it was started for learns of it, and has its START, END
// and REPORT lines, as on AWS (seen in users' logs: both INIT_REPORT lines, then
// these; the second init's time is the invocation's).
type verdict struct {
	fault *fault
	late  time.Duration // of the second init
	told  chan struct{}
}

// verdictWait is how long a failed environment waits for its invocation. Who
// comes later has an environment started anew (chosen).
const verdictWait = time.Second

// tell waits for the invocation that the environment was started for.
func (e *environment) tell(ctx context.Context, f *fault) {
	e.spoken = true
	v := &verdict{fault: f, late: time.Duration(e.ordinary.late.Swap(0)), told: make(chan struct{})}
	e.verdict.Store(v)
	e.mu.Lock()
	e.status.State = wire.EnvironmentReady
	e.mu.Unlock()
	e.a.notify()
	limit := time.NewTimer(verdictWait)
	defer limit.Stop()
	select {
	case <-v.told:
	case <-limit.C:
	case <-ctx.Done():
	}
	if !e.verdict.CompareAndSwap(v, nil) {
		<-v.told // an invocation has it
		e.mu.Lock()
		e.status.Told = true
		e.mu.Unlock()
	}
}

// sentence answers one invocation with the verdict; false: there is none.
func (e *environment) sentence(q *asked) (bool, error) {
	in := q.in
	v := e.verdict.Load()
	if v == nil || !e.verdict.CompareAndSwap(v, nil) {
		return false, nil
	}
	defer close(v.told)
	res, words := v.result(in, cmp.Or(in.Timeout, e.spec.Timeout))
	if in.Tail {
		e.logs.beginTail()
	}
	e.logs.invokeStart(in)
	e.logs.invokeDone(in, &res, words)
	e.logs.invokeEnd(in, &res, 0)
	tail := ""
	if in.Tail {
		tail = e.logs.endTail()
	}
	return true, q.finish(res, tail)
}

// result is the failed init as an invocation's, and the platform's words for it.
// What the runtime reported itself is the answer as it stands, and is in the log already.
func (v *verdict) result(in *wire.Invoke, timeout time.Duration) (res runtimeapi.Result, words string) {
	f := v.fault
	res = runtimeapi.Result{Status: runtimeapi.StatusFailed, ErrorType: f.errorType, Duration: v.late, Body: f.body}
	if len(f.body) > 0 {
		return res, ""
	}
	words = "RequestId: " + in.RequestID + " Error: " + f.text
	if f.status() == "timeout" {
		res.Status, words = runtimeapi.StatusTimeout, timedOut(timeout)
		res.Body = lamina.ErrorPayload(f.errorType, "RequestId: "+in.RequestID+" Error: "+words)
		return res, words
	}
	res.Body = lamina.ErrorPayload(f.errorType, words)
	return res, words
}
