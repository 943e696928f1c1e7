package agent

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Ordinary functions differ from managed ones: their environment has one
// invocation at a time, which therefore has a log of its own, and ends with a
// timeout. An init phase that failed or took over 10 s is tried once more within
// the time of the invocation it was started for (AWS: "lambda-runtime-environment").

// phase is which of an environment's two inits a runtime is in.
type phase int

const (
	phaseInit   phase = iota
	phaseInvoke       // the second one; its time is the invocation's
)

func (p phase) String() string { return [...]string{"init", "invoke"}[p] }

// onDemand is what the first invocation of an environment finds left of its init.
type onDemand struct {
	init   atomic.Int64                  // nanoseconds the init phase took, for the first report
	late   atomic.Int64                  // nanoseconds of its own time that a second init has used up
	report atomic.Pointer[chan struct{}] // closed when the last invocation is reported; nil: it is
}

// reported waits until the last invocation is.
func (o *onDemand) reported() {
	if done := o.report.Load(); done != nil {
		<-*done
	}
}

func (o *onDemand) initialized(p phase, took time.Duration) {
	if p == phaseInvoke {
		o.late.Store(int64(took))
		return
	}
	o.init.Store(int64(took))
}

// remaining is what a second init has left of an invocation's time.
func remaining(timeout, late time.Duration) time.Duration {
	return max(timeout-late, time.Millisecond)
}

// conclude ends an ordinary function's invocation: its lines are in the log
// before its report, its time is its own, that of a second init and what
// extensions do afterwards, and a timeout takes the environment with it.
func (e *environment) conclude(in *wire.Invoke, res *runtimeapi.Result, late time.Duration) {
	if f, ok := e.runtime.(sandbox.Flusher); ok {
		f.FlushLog()
	}
	res.Duration += late
	initDuration := time.Duration(e.ordinary.init.Swap(0))
	if in.Tail {
		e.measure() // somebody looks
	}
	words := ""
	switch res.Status {
	case runtimeapi.StatusTimeout:
		words = timedOut(in.Timeout)
		res.Body = lamina.ErrorPayload(res.ErrorType, "RequestId: "+in.RequestID+" Error: "+words)
	case runtimeapi.StatusFailed:
		words = errorMessage(res.Body)
	}
	e.logs.invokeDone(in, res, words)
	if res.Status == runtimeapi.StatusTimeout {
		e.logs.invokeEnd(in, res, initDuration)
		e.overtime.Store(true)
		e.kill()
		return
	}
	e.reportAfterExtensions(in, *res, initDuration)
}

// reportAfterExtensions reports an invocation once extensions are done with it
// (AWS: "Lambda execution environment lifecycle": an invocation ends when all have
// asked for their next event, and what they take is billed). The caller does not
// wait for that, save one who wants the log's end, of which the report is a part (chosen).
func (e *environment) reportAfterExtensions(in *wire.Invoke, res runtimeapi.Result, initDuration time.Duration) {
	idle := e.api().ExtensionsIdle()
	select {
	case <-idle:
		e.logs.invokeEnd(in, &res, initDuration)
		return
	default:
	}
	e.mu.Lock()
	proc := e.proc
	e.mu.Unlock()
	began, done := time.Now(), make(chan struct{})
	report := func() {
		defer close(done)
		select {
		case <-idle:
		case <-e.api().ExtensionOverdue():
			res.Status, res.ErrorType, res.Duration = runtimeapi.StatusTimeout, "Sandbox.Timedout", e.spec.Timeout
		case <-proc.Done():
		}
		if res.Status != runtimeapi.StatusTimeout {
			res.Duration += time.Since(began)
		}
		e.logs.invokeEnd(in, &res, initDuration)
	}
	e.ordinary.report.Store(&done)
	if in.Tail {
		report()
		return
	}
	go report() // ends with the extensions' work, at the latest with the processes; attempt and the next invocation wait for it
}

// timedOut is AWS's text.
func timedOut(timeout time.Duration) string {
	return fmt.Sprintf("Task timed out after %.2f seconds", timeout.Seconds())
}

// errorMessage reads an error's payload; one that can't be read has none.
func errorMessage(body []byte) string {
	var e struct {
		ErrorMessage string `json:"errorMessage"`
	}
	_ = json.Unmarshal(body, &e)
	return e.ErrorMessage
}

// tailBytes is how much of an invocation's log a caller may see (AWS: Invoke's LogType).
const tailBytes = 4 << 10

// logTail keeps the end of one invocation's log.
type logTail struct{ b []byte }

func (t *logTail) add(line string) {
	t.b = append(append(t.b, line...), '\n')
	if len(t.b) > 4*tailBytes {
		t.b = append(t.b[:0], t.end()...)
	}
}

func (t *logTail) end() []byte { return t.b[max(0, len(t.b)-tailBytes):] }
