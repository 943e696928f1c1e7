package sim

import (
	"slices"
	"time"

	"github.com/lamina-dev/lamina/internal/scaler"
)

// FaultKind is what goes wrong.
type FaultKind uint8

// Faults, targets.md 5.4.
const (
	KillInstance    FaultKind = iota // F5: one instance dies with all in it
	KillEnvironment                  // F6: one environment dies
	LoseZone                         // F8: all instances of a zone die and none is launched there for a while
	FailLaunches                     // F18: launches fail for a while, each by Share
	MuteInstance                     // stale reports: an agent works but is not heard of for a while
	RestartLeader                    // F9: no controller for a while, then one that remembers nothing
	SlowEnvironment                  // F13: one environment takes Share times as long, for good
)

// Fault is something that goes wrong at a time, in one provider.
type Fault struct {
	At       time.Duration
	Kind     FaultKind
	Provider int
	For      time.Duration
	Share    float64
}

func (w *world) inject(f Fault) {
	p := w.providers[f.Provider]
	switch f.Kind {
	case KillInstance:
		if len(p.instances) > 0 {
			w.kill(p.instances[w.faults.IntN(len(p.instances))])
		}
	case KillEnvironment:
		if v := p.versions[w.faults.IntN(len(p.versions))]; len(v.live) > 0 {
			w.killEnvironment(v.live[w.faults.IntN(len(v.live))])
		}
	case LoseZone:
		zone := p.Zones[w.faults.IntN(len(p.Zones))]
		p.downUntil[zone] = w.now + f.For
		for _, i := range slices.Clone(p.instances) {
			if i.zone == zone {
				w.kill(i)
			}
		}
	case FailLaunches:
		p.failUntil, p.failShare = w.now+f.For, f.Share
	case MuteInstance:
		if len(p.instances) > 0 {
			i := p.instances[w.faults.IntN(len(p.instances))]
			i.mute = max(i.mute, w.now+f.For)
			p.muteUntil = max(p.muteUntil, i.mute)
		}
	case RestartLeader:
		w.restart(p, f.For)
	case SlowEnvironment:
		v := p.versions[0]
		e := v.live[w.faults.IntN(len(v.live))]
		e.cpu.advance(w.now)
		e.cpu.slow = f.Share
	}
	w.wake(p, w.now)
}

func (w *world) launchFails(i *instance) bool {
	p := i.provider
	return w.now < p.downUntil[i.zone] || w.now < p.failUntil && w.faults.Float64() < p.failShare
}

// restart takes the leader's memory away.
func (w *world) restart(p *provider, without time.Duration) {
	p.leaderAt = w.now + without
	p.nextLook, p.failed = -1, nil
	for _, v := range p.versions {
		v.state = scaler.State{}
	}
}

// kill ends an instance at once, with all that runs on it.
func (w *world) kill(i *instance) {
	for _, e := range i.envs {
		w.killEnvironment(e)
	}
	w.remove(i)
}

// killEnvironment ends an environment at once: whoever waits for it gets an
// error, and the controller hears of it at its next look.
func (w *world) killEnvironment(e *environment) {
	if e.dead || e.phase == ended {
		return
	}
	e.dead = true
	w.lose(e)
	p := e.version.provider
	p.dead = append(p.dead, e)
}

// lose answers the calls in a dead environment: CPU first, then those that wait.
func (w *world) lose(e *environment) {
	n := int64(e.inFlight)
	w.result.Lost += n
	w.point.Lost += n
	w.inFlight -= n
	if e.at >= 0 {
		e.version.inFlight -= int(n)
	}
	e.inFlight = 0
	if !w.cfg.Audit {
		return
	}
	for _, j := range e.cpu.jobs {
		w.settle(j.call)
	}
	for k := range w.queue.events {
		if next := &w.queue.events[k]; next.kind == waitDone && next.subject == e.index {
			w.settle(next.call)
		}
	}
}

// bury takes the dead off the lists.
func (w *world) bury(p *provider) {
	for _, e := range p.dead {
		v := e.version
		if e.phase == starting {
			v.starting--
		}
		if e.phase != draining {
			e.instance.holds[v.index]--
		}
		v.live = slices.DeleteFunc(v.live, func(other *environment) bool { return other == e })
		v.changed = true
		if !e.instance.gone {
			w.end(e)
		}
	}
	p.dead = nil
}
