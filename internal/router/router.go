// Package router is the invoke path: it finds an execution environment with a
// free slot for one invocation, hands it over, and brings the answer back.
//
// It holds its routes in memory, installed by the controller, and touches no
// store and no lock that all invocations share: with the control plane stalled,
// known routes keep serving. Nothing queues here, save requests to ordinary
// functions that wait for the environment being started for them.
package router

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/rawconn"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Texts of refusals. The 429's reason for managed instances is not known
// publicly (lmi-service.md 11.1); text and reason are chosen for them.
const (
	TextThrottled   = "Rate Exceeded."
	ReasonThrottled = "ConcurrentInvocationLimitExceeded"
	ReasonReserved  = "ReservedFunctionConcurrentInvocationLimitExceeded" // lambda-api.md 2
	TextLost        = "The execution environment was lost while it ran the invocation."
)

// answerGrace is how long past the function's timeout an agent may take to say
// so before the router gives the invocation up.
const answerGrace = 5 * time.Second

// request is an invocation on its way.
type request struct {
	lamina.Invocation

	meter *meter // that counts it
	cold  bool   // it waits for an environment whenever it has none
	waits bool   // it is counted among its target's waiting
}

// Router routes invocations. Its methods may be called from many goroutines.
type Router struct {
	targets sync.Map // version key → *target
	running sync.Map // function key → *inFlight; an entry stays, so that no count is lost
	account sync.Map // Invocation.Account → *inFlight, likewise
	demand  chan struct{}
	pools   pools
	meters  meters
	gate    sync.RWMutex // read-locked by calls; Drain's, for good
	stop    func()       // closes stopped, once
	stopped chan struct{}
}

// New makes a router without routes.
func New() *Router {
	stopped := make(chan struct{})
	return &Router{
		demand: make(chan struct{}, 1), pools: pools{dial: dial},
		stopped: stopped, stop: sync.OnceFunc(func() { close(stopped) }),
	}
}

// Install replaces the environments that serve a version. Running invocations
// of those that are no longer listed go on.
func (r *Router) Install(versionKey string, endpoints []lamina.Endpoint) {
	r.target(versionKey).install(endpoints)
	r.pools.sweep()
}

// Fail ends the waiting invocations of an ordinary function with the reason why
// no environment comes.
func (r *Router) Fail(versionKey, errorType, message string) {
	r.target(versionKey).fail(&failure{errorType, message})
}

// Remove forgets a version.
func (r *Router) Remove(versionKey string) {
	if t, ok := r.targets.LoadAndDelete(versionKey); ok {
		t.(*target).install(nil)
	}
	r.pools.sweep()
}

// Demand becomes readable when an invocation found no environment.
func (r *Router) Demand() <-chan struct{} { return r.demand }

// Load tells how busy a version is.
func (r *Router) Load(versionKey string) lamina.Load {
	t, ok := r.targets.Load(versionKey)
	if !ok {
		return lamina.Load{}
	}
	return t.(*target).load()
}

// Drain refuses new invocations and waits for the running ones, at most until ctx ends.
func (r *Router) Drain(ctx context.Context) {
	done := make(chan struct{})
	go func() { r.gate.Lock(); close(done) }() // ends with the last call
	select {
	case <-done:
	case <-ctx.Done():
		r.stop()
	}
	r.pools.close()
}

func (r *Router) target(key string) *target {
	if t, ok := r.targets.Load(key); ok {
		return t.(*target)
	}
	t, _ := r.targets.LoadOrStore(key, newTarget())
	return t.(*target)
}

// Invoke runs one invocation to its end, whatever becomes of the caller: a sync
// invocation is handed to a runtime at most once. The error is a *lamina.Error.
func (r *Router) Invoke(ctx context.Context, i lamina.Invocation) (lamina.Answer, error) {
	if !r.gate.TryRLock() {
		return lamina.Answer{}, lamina.Errorf(lamina.CodeServiceNotRunning, "Lamina is stopping. Start it again with: lamina up")
	}
	defer r.gate.RUnlock()
	meter := r.meters.begin(i.VersionKey, i.FunctionARN)
	defer meter.end()
	held, reason := r.admit(&i)
	if reason != "" {
		meter.refused.Add(1)
		return lamina.Answer{}, &lamina.Error{Code: lamina.CodeTooManyRequests, Message: TextThrottled, Reason: reason}
	}
	defer held.leave()
	return r.route(ctx, &request{Invocation: i, meter: meter})
}

// route finds the environment.
func (r *Router) route(ctx context.Context, req *request) (lamina.Answer, error) {
	t := r.target(req.VersionKey)
	for range maxPasses {
		installs := t.installs.Load()
		res, err := r.pass(t, req)
		if !errors.Is(err, errNoSlot) {
			return res, err
		}
		if req.ColdStart > 0 {
			return r.coldStart(ctx, t, req)
		}
		if installs == t.installs.Load() {
			break
		}
	}
	t.refused.Add(1)
	req.meter.refused.Add(1)
	r.nudge()
	return lamina.Answer{}, &lamina.Error{Code: lamina.CodeTooManyRequests, Message: TextThrottled, Reason: ReasonThrottled}
}

// maxPasses bounds how often routes that changed underneath are read again.
const maxPasses = 3

var errNoSlot = errors.New("no environment has a free slot")

// coldStart waits for an environment of an ordinary function.
func (r *Router) coldStart(ctx context.Context, t *target, req *request) (lamina.Answer, error) {
	timer := time.NewTimer(req.ColdStart)
	defer timer.Stop()
	req.cold = true
	t.wait(req)
	defer t.waited(req)
	began := t.failures()
	for {
		changed := t.changedChan()
		res, err := r.pass(t, req)
		if !errors.Is(err, errNoSlot) {
			return res, err
		}
		if f := t.failedSince(began); f != nil {
			req.meter.ran(0, true)
			return f.result(req.RequestID), nil
		}
		r.nudge()
		select {
		case <-changed:
		case <-timer.C:
			req.meter.ran(0, true)
			return failure{"Sandbox.Timedout", fmt.Sprintf("No execution environment started within %v. Ask for the reason with: lamina doctor", req.ColdStart)}.result(req.RequestID), nil
		case <-ctx.Done():
			return lamina.Answer{}, lamina.Errorf(lamina.CodeServiceException, "The caller went away before an execution environment had started.")
		case <-r.stopped:
			return lamina.Answer{}, lamina.Errorf(lamina.CodeServiceNotRunning, "Lamina is stopping.")
		}
	}
}

// pass tries two random environments, the less loaded first, then every other
// one with room. errNoSlot means nothing has run.
func (r *Router) pass(t *target, req *request) (lamina.Answer, error) {
	now := t.serving.Load()
	load := func(i int) float64 { return now.envs[i].load() }
	for i := range Choices(len(now.envs), load, now.room, rand.IntN) {
		e := now.envs[i]
		if !t.acquire(e, req) {
			continue
		}
		began := time.Now()
		req.meter.run()
		res, err := r.use(t, e, req)
		if !errors.Is(err, errNoSlot) {
			e.served.Add(1)
			req.meter.ran(time.Since(began), err != nil || res.FunctionError)
			return res, err
		}
		t.wait(req)
	}
	return lamina.Answer{}, errNoSlot
}

// use sends one invocation to an environment and gives its slot back. A client
// that reads its stream slowly keeps that no longer than the function may run.
func (r *Router) use(t *target, e *endpoint, req *request) (lamina.Answer, error) {
	if req.Sink == nil {
		res, err := r.send(e, req)
		req.meter.stop()
		t.release(e)
		return res, err
	}
	free := sync.OnceFunc(func() {
		req.meter.stop()
		t.release(e)
	})
	defer free()
	timer := time.AfterFunc(req.Timeout, free)
	defer timer.Stop()
	return r.send(e, req)
}

func (r *Router) nudge() {
	select {
	case r.demand <- struct{}{}:
	default:
	}
}

// send hands one invocation to an environment. errNoSlot: it was not handed over.
func (r *Router) send(e *endpoint, req *request) (lamina.Answer, error) {
	in := wire.Invoke{
		EnvironmentID: e.id, RequestID: req.RequestID, FunctionARN: req.FunctionARN, TraceID: req.TraceID,
		ClientContext: req.ClientContext, ContentType: req.ContentType,
		Timeout: req.Timeout, Tail: req.Tail, Stream: req.Sink != nil, Body: req.Payload,
	}
	k := newCall(req.Sink, time.Now().Add(req.Timeout+answerGrace))
	if err := r.pools.run(e.addr, k, &in); err != nil {
		return lamina.Answer{}, errNoSlot // the agent is gone or full; its death reaches the controller by itself
	}
	switch {
	case errors.Is(k.err, errUnsent): // an agent acts only on whole invocations
		return lamina.Answer{}, errNoSlot
	case k.err != nil:
		return lamina.Answer{}, &lamina.Error{Code: lamina.CodeServiceException, Message: TextLost, Cause: k.err}
	case k.res.Outcome.Refused():
		return lamina.Answer{}, errNoSlot
	}
	return lamina.Answer{
		FunctionError: k.res.Outcome != wire.OutcomeOK, ErrorType: k.res.ErrorType,
		ContentType: k.res.ContentType, Streamed: k.streamed, Payload: k.body, LogTail: k.res.LogTail, EnvironmentID: e.id,
	}, nil
}

func dial(addr string) (net.Conn, error) {
	network, address, err := wire.SplitAddr(addr)
	if err != nil {
		return nil, err
	}
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return nil, err
	}
	return rawconn.New(c), nil
}
