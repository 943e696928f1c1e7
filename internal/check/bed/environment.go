package bed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/watch"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Limits of an environment under check (chosen).
const (
	// InitTime is how long init may take: longer than AWS gives, as the machine
	// may be busy.
	InitTime = 60 * time.Second
	noFile   = 4096
	pids     = 2048
)

// Options of one environment.
type Options struct {
	Slots   int
	Workers int  // of Node.js: threads that share the slots; 0: the runtime's own number
	InTurn  bool // requests one after the other go to the workers in turn
	Watch   watch.Settings
}

// Environment is a running one.
type Environment struct {
	opts   Options
	box    sandbox.Sandbox
	api    *runtimeapi.Server
	proc   sandbox.Process
	dir    string
	served chan struct{}
	failed chan struct{} // closed once the running calls of a process that ended have failed
	facts  *facts        // nil without a watch
	log    logKeeper
}

// InitFailure is a function that can't be loaded.
type InitFailure struct {
	Type, Message string
	Log           []string // its last lines
}

func (e *InitFailure) Error() string {
	text := e.Type
	if e.Message != "" {
		text += ": " + e.Message
	}
	if len(e.Log) > 0 {
		text += "\n  log: " + strings.Join(e.Log, "\n  log: ")
	}
	return text
}

// Start starts an environment and waits until all its slots are free; an
// *InitFailure says that the function could not be loaded.
func (h *Host) Start(ctx context.Context, o Options) (*Environment, error) {
	h.started++
	id := "check-" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(h.started)
	e := &Environment{opts: o, box: h.box, dir: filepath.Join(h.dir, "env", id), served: make(chan struct{}), failed: make(chan struct{})}
	if err := os.MkdirAll(e.dir, 0o711); err != nil {
		return nil, fmt.Errorf("make the environment's folder: %w", err)
	}
	if h.Watched() {
		f, err := openFacts(filepath.Join(h.runtime, id+".fifo"))
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(e.dir))
		}
		e.facts = f
	}
	if err := e.launch(ctx, h, id); err != nil {
		e.facts.close()
		os.RemoveAll(e.dir)
		return nil, err
	}
	if err := e.initialize(ctx); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// launch serves the Runtime API and starts the process.
func (e *Environment) launch(ctx context.Context, h *Host, id string) error {
	l, err := h.box.Listen(ctx, id)
	if err != nil {
		return err
	}
	e.api = runtimeapi.New(runtimeapi.Config{
		FunctionARN: "arn:aws:lambda:" + h.fn.Region + ":000000000000:function:" + h.fn.Name, Function: h.fn.Name, Version: "$LATEST",
		Handler: h.fn.Handler, AccountID: "000000000000", Timeout: h.fn.Timeout, MaxConcurrency: e.opts.Slots, InTurn: e.opts.InTurn,
	})
	go func() { // ends with api.Close
		defer close(e.served)
		_ = e.api.Serve(context.Background(), l) // its end is the listener's
	}()
	spec, err := e.spec(h, id, l.Addr().String())
	if err == nil {
		e.proc, err = h.box.Start(ctx, spec)
	}
	if err != nil {
		e.api.Close()
		l.Close()
		<-e.served
		return fmt.Errorf("start an environment: %w", err)
	}
	go func() { // ends with the process
		defer close(e.failed)
		<-e.proc.Done()
		e.api.Fail(e.proc.Exit().Fault())
	}()
	return nil
}

// spec says how the environment is run, as an agent would.
func (e *Environment) spec(h *Host, id, api string) (sandbox.Spec, error) {
	s := sandbox.Spec{
		ID: id, Dir: e.dir, TaskDir: h.fn.TaskDir, LayersDir: h.fn.OptDir, RuntimeDir: h.runtime, LangDir: h.in.Prefix, RootDir: h.in.Root,
		Limits: sandbox.Limits{Pids: pids, NoFile: noFile}, Log: e.log.line,
	}
	if h.in.Own {
		s.RuntimeDir = "" // the root's /var/runtime is its own
	}
	layout := runtimes.Layout(h.box.Layout(s))
	f := runtimes.Function{
		Name: h.fn.Name, Version: "$LATEST", Handler: h.fn.Handler, MemoryMB: h.fn.MemoryMB, VCPUs: max(1, h.fn.VCPUs), Region: h.fn.Region,
		LogGroup: "/aws/lambda/" + h.fn.Name, LogStream: id, LogFormat: h.fn.LogFormat, LogLevel: h.fn.LogLevel, RuntimeAPI: api,
		MaxConcurrency: e.opts.Slots, ManagedInstances: true, Customer: e.variables(h, layout), LayerBootstrap: runtimes.InLayer(h.fn.TaskDir, h.fn.OptDir),
	}
	argv, extra, err := runtimes.Command(h.fn.Runtime, h.in, f, layout)
	s.Argv, s.Env = argv, runtimes.Environment(f, layout, extra)
	return s, err
}

// nodeWorkers is AWS's own variable for how many threads share the slots.
const nodeWorkers = "AWS_LAMBDA_NODEJS_WORKER_COUNT"

func (e *Environment) variables(h *Host, layout runtimes.Layout) map[string]string {
	set := map[string]string{}
	for name, value := range h.fn.Variables {
		set[name] = value
	}
	if h.language == finding.Node && e.opts.Workers > 0 && set[nodeWorkers] == "" {
		set[nodeWorkers] = strconv.Itoa(e.opts.Workers)
	}
	if e.facts != nil {
		w := e.opts.Watch
		w.Out = filepath.Join(layout.Runtime, filepath.Base(e.facts.path))
		if text, err := json.Marshal(w); err == nil {
			set[watch.Variable] = string(text)
		}
	}
	return set
}

// initialize waits for the first poll, then for all.
func (e *Environment) initialize(ctx context.Context) error {
	limit := time.NewTimer(InitTime)
	defer limit.Stop()
	select {
	case <-e.api.Ready():
	case <-e.api.InitFailed():
		return e.initFailure()
	case <-e.proc.Done():
		return e.initFailure()
	case <-limit.C:
		return &InitFailure{Type: "Sandbox.Timedout", Message: fmt.Sprintf("init did not end within %v", InitTime), Log: e.log.last()}
	case <-ctx.Done():
		return ctx.Err()
	}
	if !e.Settle(ctx, InitTime) {
		return errors.Join(ctx.Err(), fmt.Errorf("only %d of %d slots became free after init", e.api.Idle(), e.opts.Slots))
	}
	return nil
}

func (e *Environment) initFailure() error {
	f := &InitFailure{}
	select {
	case <-e.api.InitFailed():
		posted := e.api.InitError()
		var body struct{ ErrorMessage, ErrorType string }
		_ = json.Unmarshal(posted.Body, &body) // an unreadable body leaves the type alone
		f.Type, f.Message = posted.Type, body.ErrorMessage
		if body.ErrorType != "" {
			f.Type = body.ErrorType
		}
	default:
		f.Type, f.Message = e.proc.Exit().Fault()
	}
	f.Log = e.log.last()
	return f
}

// Settle waits until nothing runs and every slot has a worker that polls.
func (e *Environment) Settle(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for e.api.InFlight() > 0 || e.api.Idle() < e.opts.Slots {
		select {
		case <-tick.C:
		case <-e.proc.Done():
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Ended is closed when the process is gone.
func (e *Environment) Ended() <-chan struct{} { return e.proc.Done() }

// Call is one invocation.
type Call struct {
	RequestID string
	Body      []byte
	Timeout   time.Duration // 0: the function's
}

// Invoke runs a call to its answer or timeout. Every log line that was written
// before the answer has been taken when it returns.
func (e *Environment) Invoke(ctx context.Context, c Call) (runtimeapi.Result, error) {
	r, err := e.api.Invoke(ctx, &runtimeapi.Invocation{RequestID: c.RequestID, Body: c.Body, Timeout: c.Timeout, TraceID: traceOf(c.RequestID)})
	if f, ok := e.proc.(sandbox.Flusher); ok {
		f.FlushLog()
	}
	return r, err
}

// traceOf makes a trace id that is the request's alone.
func traceOf(requestID string) string {
	hex := strings.ReplaceAll(requestID, "-", "")
	if len(hex) < 32 {
		return ""
	}
	return "Root=1-" + hex[:8] + "-" + hex[8:32] + ";Parent=" + hex[16:32] + ";Sampled=0"
}

// Close ends the environment; nothing of it is left.
func (e *Environment) Close() {
	_ = e.proc.Kill() // Done follows in any case
	<-e.failed
	e.api.Close()
	<-e.served
	e.facts.close()
	os.RemoveAll(e.dir)
}
