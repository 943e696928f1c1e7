package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
	"github.com/lamina-dev/lamina/internal/runtimes/roots"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/wire"
)

// environment is one execution environment through its one-way life.
type environment struct {
	a        *agent
	spec     wire.EnvironmentSpec
	logs     *logBuffer
	server   atomic.Pointer[runtimeapi.Server]
	drain    func()        // ends it once its running invocations are done
	kill     func()        // ends it at once
	done     chan struct{} // nothing of it is left
	assigned bool          // guarded by agent.mu
	touched  atomic.Bool   // had an invocation since it was last measured
	ordinary onDemand
	lines    *logSocket  // of the current attempt; nil without one
	external *externals  // of the current attempt
	overtime atomic.Bool // an ordinary function's invocation has timed out
	verdict  atomic.Pointer[verdict]
	spoken   bool // there was a verdict; run's

	mu       sync.Mutex
	proc     sandbox.Process // all of it
	runtime  sandbox.Process // the runtime; the same as proc where there are no external extensions
	status   wire.EnvironmentStatus
	measured time.Time // when status.CPUTime was read
}

// fault is why an environment could not start or ended by itself.
type fault struct {
	code      string // state reason code
	errorType string // the runtime's or platform's own
	text      string
	init      bool   // the runtime had started, and never polled
	body      []byte // what the runtime reported its failed init with; empty: it did not
}

func newEnvironment(a *agent, spec wire.EnvironmentSpec) *environment {
	e := &environment{
		a:    a,
		spec: spec,
		logs: a.logs.buffer(spec),
		done: make(chan struct{}),
		status: wire.EnvironmentStatus{
			ID: spec.ID, VersionKey: spec.VersionKey, Generation: spec.Generation,
			State: wire.EnvironmentStarting, Slots: spec.Slots, StartedAt: time.Now(),
		},
	}
	e.logs.tap = e.telemetry
	e.serveAnew()
	return e
}

// serveAnew makes a Runtime API that has not seen a runtime yet.
func (e *environment) serveAnew() {
	e.server.Store(runtimeapi.New(runtimeapi.Config{
		FunctionARN:    e.spec.FunctionARN,
		Function:       e.spec.Function,
		Version:        e.spec.Qualifier,
		Handler:        e.spec.Handler,
		AccountID:      e.spec.AccountID,
		Timeout:        e.spec.Timeout,
		MaxConcurrency: e.spec.Slots,
		Ordinary:       !e.spec.Managed,
		JSONLogs:       e.spec.LogFormat != "Text",
		Dial:           e.dial,
		OnSubscribe:    e.subscribed,
	}))
}

func (e *environment) api() *runtimeapi.Server { return e.server.Load() }

// run is the environment's life, to its end. undrained ends with ctx, or before
// it when the environment is drained.
func (e *environment) run(ctx, undrained context.Context) {
	defer e.kill()
	f := e.live(ctx, undrained)
	if f != nil && !e.spec.Managed && e.snapshot().ReadyAt.IsZero() && !e.spoken {
		e.tell(undrained, f)
	}
	e.end(f)
}

// live starts the environment and stays with it; the fault is nil when it was
// ended from outside.
func (e *environment) live(ctx, undrained context.Context) *fault {
	dir := filepath.Join(e.a.cfg.Dir, "env", e.spec.ID)
	defer os.RemoveAll(dir)
	c, err := e.a.content(undrained, e.spec)
	if err != nil {
		return e.unlessEnded(undrained, codeFault(err))
	}
	defer c.release()
	e.logs.platform(record{kind: initStart})
	f := e.attempt(ctx, undrained, dir, c, phaseInit)
	if f != nil && f.init && !e.spec.Managed {
		e.serveAnew()
		f = e.attempt(ctx, undrained, dir, c, phaseInvoke)
	}
	return f
}

// attempt starts the runtime and stays with it to its end.
func (e *environment) attempt(ctx, undrained context.Context, dir string, c content, p phase) (f *fault) {
	began := time.Now()
	in, release, err := e.interpreter(undrained, c)
	if err != nil {
		return e.unlessEnded(undrained, startFault(err))
	}
	defer release()
	served, err := e.launch(undrained, dir, c, in)
	if err != nil {
		return e.unlessEnded(undrained, startFault(err))
	}
	defer func() {
		e.shutDown(f)
		<-e.proc.Done()
		e.external.ends.Wait()
		e.ordinary.reported()
		e.lines.close()
		e.api().Close()
		<-served
		os.RemoveAll(dir)
		e.a.cpus.follow(e.spec.ID, nil)
	}()
	if f := e.initialize(undrained, began, p); f != nil || undrained.Err() != nil {
		f = e.unlessEnded(undrained, f)
		if f != nil && p == phaseInvoke {
			e.api().Fail(f.errorType, f.text)
			e.tell(undrained, f) // before extensions have had their time to end
			e.failed(f)
		}
		return f
	}
	f = e.attend(ctx, undrained)
	if f != nil {
		e.failed(f)
	}
	return f
}

// failed tells the server why the environment serves no more, before its
// extensions have had their time to end: who takes its place starts meanwhile.
func (e *environment) failed(f *fault) {
	e.mu.Lock()
	e.status.State = wire.EnvironmentDraining
	e.status.ReasonCode, e.status.ErrorType, e.status.Reason = f.code, f.errorType, f.text
	e.mu.Unlock()
	e.a.notify()
}

// unlessEnded drops faults which are only the consequence of an end from outside.
func (e *environment) unlessEnded(ctx context.Context, f *fault) *fault {
	if ctx.Err() != nil {
		return nil
	}
	return f
}

// launch serves the Runtime API and starts the runtime's process; served is
// closed when the API has ended.
func (e *environment) launch(ctx context.Context, dir string, c content, in runtimes.Interpreter) (served <-chan struct{}, err error) {
	var files string
	if !in.Own {
		if files, err = e.a.runtime.get(e.spec.Runtime); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("make the environment's folder: %w", err)
	}
	l, err := e.a.cfg.Sandbox.Listen(ctx, e.spec.ID)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { // ends with api.Close
		defer close(ended)
		if err := e.api().Serve(context.Background(), l); err != nil {
			e.a.log.Warn("runtime API ended", "environment", e.spec.ID, "err", err)
		}
	}()
	lines, err := e.listenForLines(dir)
	if err != nil {
		e.api().Close()
		<-ended
		return nil, err
	}
	spec, err := e.sandboxSpec(dir, c, files, in, l.Addr().String())
	if err == nil {
		err = e.prepareExtensions(&spec, c.opt, l.Addr().String())
	}
	var proc sandbox.Process
	if err == nil {
		starting, cancel := context.WithTimeout(ctx, startLimit)
		proc, err = e.a.cfg.Sandbox.Start(starting, spec)
		cancel()
	}
	if err != nil {
		e.api().Close()
		l.Close()
		<-ended
		lines.close()
		return nil, err
	}
	e.lines = lines
	e.a.cpus.follow(e.spec.ID, spec.CPUs)
	e.mu.Lock()
	e.proc, e.status.PID = proc, proc.PID()
	if e.runtime = proc; spec.Init {
		e.runtime = nil // comes after the extensions
	}
	e.mu.Unlock()
	return ended, nil
}

// startLimit bounds what the sandbox does before the function's init begins: a
// container runtime that hangs must not leave a version Pending for ever (chosen).
const startLimit = time.Minute

// interpreter finds what runs the function, and keeps it there until release is called.
func (e *environment) interpreter(ctx context.Context, c content) (in runtimes.Interpreter, release func(), err error) {
	if i := e.spec.Image; i != nil {
		in = runtimes.Interpreter{Root: c.root, Own: true}
		if err := runtimes.CheckImage(first(i.Argv), i.Architecture, e.spec.Architecture); err != nil {
			return in, nil, entryPointError{err}
		}
		return in, func() {}, nil // the content holds it
	}
	in, release, err = runtimes.Locate(ctx, e.spec.Runtime, runtimes.Places{Named: e.a.cfg.Runtimes, Roots: roots.Open(e.a.cfg.Roots)})
	if err != nil {
		return in, nil, err
	}
	if err := runtimes.Check(in, e.spec.Architecture, c.task, c.opt); err != nil {
		release()
		return in, nil, entryPointError{err}
	}
	return in, release, nil
}

// first is the program of a command; "" of none.
func first(argv []string) string {
	if len(argv) == 0 {
		return ""
	}
	return argv[0]
}

// entryPointError is a package that can't start here.
type entryPointError struct{ error }

func (e entryPointError) Unwrap() error { return e.error }

// initialize starts what is to be started besides and waits for the runtime's
// first poll and all extensions.
func (e *environment) initialize(ctx context.Context, began time.Time, p phase) *fault {
	limit := time.NewTimer(e.initLimit(p))
	defer limit.Stop()
	f := e.startExtensions(ctx, limit, p)
	if f == nil && ctx.Err() == nil {
		f = e.await(ctx, e.api().RuntimePolled(), limit, p)
		e.logs.runtimeDone(f, p)
	}
	if f == nil && ctx.Err() == nil {
		f = e.await(ctx, e.api().Ready(), limit, p)
	}
	if f == nil && ctx.Err() != nil {
		return nil
	}
	took, status, errorType := time.Since(began), "success", ""
	if f != nil {
		f.init = true
		status, errorType = f.status(), f.errorType
	}
	if !e.spec.Managed && (f == nil || p == phaseInvoke) {
		e.measure() // so that every report has a figure
		e.ordinary.initialized(p, took)
	}
	if f == nil {
		e.setState(wire.EnvironmentReady)
	}
	e.logExtensions()
	e.logs.platform(record{kind: initReport, phase: p, status: status, errorType: errorType, duration: took})
	return f
}

// await waits for a step of init, or gives the fault that comes first; neither
// when ctx ends.
func (e *environment) await(ctx context.Context, step <-chan struct{}, limit *time.Timer, p phase) *fault {
	var exited <-chan struct{} // of the runtime, once it has started
	if e.runtime != nil {
		exited = e.runtime.Done()
	}
	select {
	case <-step:
		return nil
	case <-e.api().InitFailed():
		return initFault(e.api().InitError())
	case <-e.api().ExtensionFailed():
		return extensionFault(e.api().ExtensionError())
	case <-exited:
		return e.exitedInInit()
	case <-e.proc.Done():
		return e.exitedInInit()
	case <-limit.C:
		return e.initTimeout(p)
	case <-ctx.Done():
		return nil
	}
}

// initLimit is how long a phase may take: the second one of an ordinary
// function runs within its invocation's time.
func (e *environment) initLimit(p phase) time.Duration {
	if p == phaseInvoke {
		return e.spec.Timeout
	}
	return e.spec.InitTimeout
}

func (e *environment) initTimeout(p phase) *fault {
	text := fmt.Sprintf("The function's initialization did not finish within %.2f seconds", e.spec.InitTimeout.Seconds())
	if p == phaseInvoke {
		text = timedOut(e.spec.Timeout)
	}
	return &fault{code: lamina.ReasonInitTimeout, errorType: "Sandbox.Timedout", text: text}
}

// exitedInInit prefers what the runtime posted before it went.
func (e *environment) exitedInInit() *fault {
	select {
	case <-e.api().InitFailed():
		return initFault(e.api().InitError())
	default:
	}
	proc := e.runtime
	if proc == nil {
		proc = e.proc
	}
	exit := proc.Exit()
	errorType, text := exit.Fault()
	if exit.OOM {
		return &fault{code: lamina.ReasonInitResources, errorType: errorType, text: text}
	}
	return &fault{code: lamina.ReasonRuntimeInit, errorType: errorType, text: text}
}

// attend stays with a ready environment until it ends.
func (e *environment) attend(ctx, undrained context.Context) *fault {
	select {
	case <-e.runtime.Done():
		errorType, text := e.runtime.Exit().Fault()
		e.api().Fail(errorType, text)
		return &fault{code: errorType, errorType: errorType, text: text}
	case <-e.api().ExtensionOverdue():
		e.overtime.Store(true)
		return &fault{code: "Sandbox.Timedout", errorType: "Sandbox.Timedout", text: timedOut(e.spec.Timeout) + ": an extension did not ask for its next event"}
	case <-e.api().ExtensionFailed():
		f := extensionFault(e.api().ExtensionError())
		f.code = f.errorType
		e.api().Fail(f.errorType, f.text)
		return f
	case <-undrained.Done():
	}
	if ctx.Err() != nil {
		return nil
	}
	e.setState(wire.EnvironmentDraining)
	ctx, cancel := context.WithTimeout(ctx, e.spec.Timeout+drainGrace)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- e.api().Drain(ctx) }()
	select {
	case <-drained:
	case <-e.runtime.Done():
		e.api().Fail(e.runtime.Exit().Fault())
		cancel()
		<-drained
	}
	return nil
}

// drainGrace is how long past the function's timeout a draining environment may
// take. No caller waits longer than the timeout, but the code of a timed-out
// invocation runs on and keeps its slot, as on AWS; a worker that does not
// answer even then is not waited for (chosen: room for an answer on its way).
const drainGrace = time.Second

// end is the last step: nothing of the environment is left but its status.
func (e *environment) end(f *fault) {
	if f != nil {
		e.a.log.Warn("environment ended", "environment", e.spec.ID, "function", e.spec.FunctionARN, "code", f.code, "type", f.errorType, "reason", f.text)
	}
	e.a.logs.flush() // the server places no lines of an environment it has forgotten
	e.mu.Lock()
	e.status.State = wire.EnvironmentEnded
	e.status.PID = 0
	if f != nil {
		e.status.ReasonCode, e.status.ErrorType, e.status.Reason = f.code, f.errorType, f.text
	}
	e.mu.Unlock()
	e.logs.close()
	close(e.done)
	e.a.settle(e)
}

func (e *environment) ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (e *environment) setState(s wire.EnvironmentState) {
	e.mu.Lock()
	e.status.State = s
	if s == wire.EnvironmentReady {
		e.status.ReadyAt = time.Now()
	}
	e.mu.Unlock()
	e.a.notify()
}

// snapshot is the status now.
func (e *environment) snapshot() wire.EnvironmentStatus {
	n := e.api().InFlight()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status.InFlight = n
	return e.status
}

// measure updates what the environment uses.
func (e *environment) measure() {
	e.mu.Lock()
	proc := e.proc
	e.mu.Unlock()
	if proc == nil {
		return
	}
	u, err := proc.Usage()
	if err != nil {
		return
	}
	e.mu.Lock()
	now := time.Now()
	e.status.CPU = e.utilisation(u.CPU-e.status.CPUTime, now.Sub(e.measured))
	e.status.CPUTime, e.status.Memory, e.measured = u.CPU, u.MemoryBytes, now
	e.mu.Unlock()
	e.logs.setMemory(u.MemoryBytes)
}

// utilisation is use ÷ share, at most 1: what goes beyond the share is the
// host's spare time. After a rest the use belongs to no interval and counts as none.
func (e *environment) utilisation(used, elapsed time.Duration) float64 {
	if elapsed <= 0 || elapsed > 4*sampleInterval {
		return 0
	}
	share := float64(e.spec.MilliVCPU) / 1000 * e.a.cfg.VCPUCores
	return min(1, max(0, used.Seconds()/elapsed.Seconds()/share))
}

// rest tells that nothing runs in the environment; whether there was something to tell.
func (e *environment) rest() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.status.CPU > 0
	e.status.CPU = 0
	return was
}

// initFault reads what the runtime posted to /init/error.
func initFault(posted runtimeapi.InitError) *fault {
	var body struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}
	_ = json.Unmarshal(posted.Body, &body) // an unreadable body leaves the type alone
	f := &fault{code: lamina.ReasonRuntimeInit, errorType: posted.Type, text: body.ErrorMessage, body: posted.Body}
	if body.ErrorType != "" && (f.errorType == "" || f.errorType == "Runtime.Unknown") {
		f.errorType = body.ErrorType
	}
	if f.text == "" {
		f.text = "The runtime reported " + f.errorType + " while it was initializing"
	}
	return f
}

// startFault finds the state reason for which a runtime could not be started.
func startFault(err error) *fault {
	if _, ok := errors.AsType[*runtimes.MissingError](err); ok {
		return &fault{code: lamina.ReasonInvalidRuntime, errorType: "Runtime.Missing", text: err.Error()}
	}
	if errors.Is(err, sandbox.ErrNoRoot) {
		return &fault{code: lamina.ReasonInvalidRuntime, errorType: "Runtime.Missing", text: err.Error()}
	}
	if _, ok := errors.AsType[entryPointError](err); ok {
		return &fault{code: lamina.ReasonInvalidEntryPoint, errorType: "Runtime.InvalidEntrypoint", text: err.Error()}
	}
	for errorType, code := range map[string]string{
		"Runtime.InvalidEntrypoint": lamina.ReasonInvalidEntryPoint,
		"Runtime.InvalidWorkingDir": lamina.ReasonInvalidWorkingDir,
	} {
		if _, text, ok := strings.Cut(err.Error(), errorType+": "); ok {
			return &fault{code: code, errorType: errorType, text: text}
		}
	}
	return &fault{code: lamina.ReasonInternal, errorType: "Sandbox.Failure", text: err.Error()}
}

// codeFault finds the state reason for which a package could not be had.
func codeFault(err error) *fault {
	if errors.Is(err, rootfs.ErrInvalid) {
		return &fault{code: lamina.ReasonInvalidImage, errorType: "Sandbox.Failure", text: err.Error()}
	}
	if e, ok := errors.AsType[*lamina.Error](err); ok {
		return &fault{code: lamina.ReasonInvalidZip, errorType: "Sandbox.Failure", text: e.Message}
	}
	return &fault{code: lamina.ReasonInternal, errorType: "Sandbox.Failure", text: lamina.TextNoPackage + ": " + err.Error()}
}
