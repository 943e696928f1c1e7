package mem

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

// environment is one execution environment. Its fields are guarded by agent.mu.
type environment struct {
	a         *agent
	spec      wire.EnvironmentSpec
	status    wire.EnvironmentStatus
	forgotten bool          // no longer assigned
	idle      chan struct{} // receives when the last invocation ends
	crashed   chan struct{}
	done      chan struct{} // it has ended

	drain func()
	kill  func()
}

// launch starts an environment; a.mu is held.
func (a *agent) launch(spec wire.EnvironmentSpec) *environment {
	e := &environment{
		a: a, spec: spec, idle: make(chan struct{}, 1), crashed: make(chan struct{}, 1), done: make(chan struct{}),
		status: wire.EnvironmentStatus{
			ID: spec.ID, VersionKey: spec.VersionKey, Generation: spec.Generation,
			Slots: spec.Slots, StartedAt: time.Now(), State: wire.EnvironmentStarting,
		},
	}
	ctx, kill := context.WithCancel(a.ctx)
	undrained, drain := context.WithCancel(ctx)
	e.kill, e.drain = kill, drain
	a.envs = append(a.envs, e)
	a.world.cfg.Observe(a.spec.Instance, spec, e.status)
	a.work.Go(func() {
		defer kill()
		defer close(e.done)
		e.set(wire.EnvironmentEnded, e.live(ctx, undrained, a.world.cfg.Init(spec)))
	})
	return e
}

// live is the environment's life to its end; the result says why, when it ended by itself.
func (e *environment) live(ctx, undrained context.Context, init Init) Init {
	select {
	case <-time.After(init.After):
	case <-undrained.Done():
		return Init{}
	}
	if init.Code != "" {
		return init
	}
	e.set(wire.EnvironmentReady, Init{})
	if init.Stuck {
		undrained = ctx
	}
	select {
	case <-undrained.Done():
	case <-e.crashed:
		why := Init{Code: "Runtime.ExitError", ErrorType: "Runtime.ExitError", Text: "Runtime exited with error: exit status 1"}
		e.set(wire.EnvironmentDraining, why)
		select {
		case <-time.After(init.Lingers):
		case <-ctx.Done():
		}
		return why
	}
	if ctx.Err() != nil {
		return Init{}
	}
	e.set(wire.EnvironmentDraining, Init{})
	limit := time.After(e.spec.Timeout + drainGrace)
	for e.busy() {
		select {
		case <-e.idle:
		case <-limit:
			return Init{}
		case <-ctx.Done():
			return Init{}
		}
	}
	return Init{}
}

func (e *environment) busy() bool {
	e.a.mu.Lock()
	defer e.a.mu.Unlock()
	return e.status.InFlight > 0
}

func (e *environment) set(state wire.EnvironmentState, why Init) {
	e.a.mu.Lock()
	defer e.a.mu.Unlock()
	e.status.State = state
	if state == wire.EnvironmentReady {
		e.status.ReadyAt = time.Now()
	}
	e.status.ReasonCode, e.status.ErrorType, e.status.Reason = why.Code, why.ErrorType, why.Text
	e.a.world.cfg.Observe(e.a.spec.Instance, e.spec, e.status)
	if state == wire.EnvironmentEnded && e.forgotten {
		e.a.envs = slices.DeleteFunc(e.a.envs, func(o *environment) bool { return o == e })
	}
	e.a.notify()
}

// serve takes invocations until the instance ends.
func (a *agent) serve() { _ = wire.Serve(a.ctx, a.l, a.serveConn) }

// maxFrame is how large an event may be, with what comes with it.
const maxFrame = 8 << 20

func (a *agent) serveConn(_ context.Context, c net.Conn) {
	var running sync.WaitGroup
	defer running.Wait()
	out := wire.NewBatch(c)
	for frames := wire.NewFrames(c, 4<<10, maxFrame); ; {
		f, err := frames.Next()
		if err != nil {
			return
		}
		in, err := f.Invoke()
		if err != nil {
			return
		}
		running.Go(func() {
			res, body := a.invoke(in)
			_ = out.AddAnswer(false, f.Call, res, body) // the router may be gone
		})
	}
}

func (a *agent) invoke(in *wire.Invoke) (wire.Result, []byte) {
	a.mu.Lock()
	e := a.find(in.EnvironmentID)
	switch {
	case e == nil || e.status.State != wire.EnvironmentReady:
		a.mu.Unlock()
		return wire.Result{Outcome: wire.OutcomeGone}, nil
	case e.status.InFlight >= e.spec.Slots:
		a.mu.Unlock()
		return wire.Result{Outcome: wire.OutcomeBusy}, nil
	}
	e.status.InFlight++
	a.mu.Unlock()
	a.notify()
	res, body := a.world.cfg.Handler(a.ctx, in)
	a.mu.Lock()
	e.status.InFlight--
	a.mu.Unlock()
	select {
	case e.idle <- struct{}{}:
	default:
	}
	a.notify()
	return res, body
}
