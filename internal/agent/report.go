package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

// report tells the server of each change, and else that the agent is alive. A change while a report is on its way
// makes one more report, not a queue of them.
func (a *agent) report(ctx context.Context) error {
	alive := time.NewTicker(wire.Heartbeat)
	defer alive.Stop()
	for {
		// A failed session says all anew in its next Hello.
		select {
		case <-a.changed:
			_ = a.session.send(wire.KindReport, a.view())
			alive.Reset(wire.Heartbeat)
		case <-alive.C:
			_ = a.session.send(wire.KindAlive, wire.Alive{})
		case <-ctx.Done():
			return nil
		}
	}
}

// view is the agent's view of itself.
func (a *agent) view() wire.Report {
	a.mu.Lock()
	r := wire.Report{Epoch: a.epoch, Generation: a.generation}
	envs := a.order
	a.mu.Unlock()
	r.Environments = make([]wire.EnvironmentStatus, 0, len(envs))
	for _, e := range envs {
		r.Environments = append(r.Environments, e.snapshot())
	}
	r.HostCPU = a.host.use()
	return r
}

// sampleInterval is how often busy environments are measured and reported.
const sampleInterval = 250 * time.Millisecond

// sampler is asleep while no environment is busy, so that idle instances cost no timers.
type sampler struct {
	awake atomic.Bool
	wake  chan struct{}
}

// touch tells that an invocation begins.
func (s *sampler) touch() {
	if s.awake.Load() || !s.awake.CompareAndSwap(false, true) {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// sample measures and reports busy environments until ctx ends.
func (a *agent) sample(ctx context.Context) error {
	for {
		select {
		case <-a.sampler.wake:
		case <-ctx.Done():
			return nil
		}
		a.host.sample() // where the first interval begins
		a.measureBusy()
		a.notify()
		a.sampleBusy(ctx)
	}
}

// sampleBusy returns when all environments have been idle for one interval.
func (a *agent) sampleBusy(ctx context.Context) {
	t := time.NewTicker(sampleInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		busy := a.measureBusy()
		a.host.sample()
		a.notify()
		if busy {
			continue
		}
		a.sampler.awake.Store(false)
		if a.inFlight() == 0 {
			return
		}
		a.sampler.awake.Store(true) // one began in between and found us awake
	}
}

// measureBusy measures the environments that had an invocation since the last look.
func (a *agent) measureBusy() (busy bool) {
	for _, e := range a.environments() {
		if e.touched.Swap(false) || e.api().InFlight() > 0 {
			e.measure()
			busy = true
		} else if e.rest() {
			busy = true // one more look, so that the last report is one of rest
		}
	}
	return busy
}

func (a *agent) inFlight() int {
	n := 0
	for _, e := range a.environments() {
		n += e.api().InFlight()
	}
	return n
}
