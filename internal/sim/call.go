package sim

import (
	"iter"
	"time"

	"github.com/lamina-dev/lamina/internal/router"
)

// Choice is the order in which a call tries environments; router.Choices is one.
type Choice func(n int, load func(i int) float64, room *router.Room, random func(n int) int) iter.Seq[int]

// arrive routes one call, and prepares the next.
func (w *world) arrive(v *version) {
	if at := v.Traffic.next(w.now, w.cfg.Length, w.calls); at < w.cfg.Length {
		w.queue.push(event{at: at, kind: arrival, subject: v.index})
	}
	call := int32(w.result.Calls)
	w.result.Calls++
	w.point.Calls++
	if w.cfg.Audit {
		w.answered = append(w.answered, 0)
	}
	for i := range w.cfg.Choice(len(v.serving), v.load, v.room, w.router.IntN) {
		if e := v.serving[i]; w.acquire(e) {
			w.run(e, call)
			return
		}
	}
	v.refused++
	w.result.Throttled++
	w.point.Throttled++
	w.settle(call)
	w.wake(v.provider, w.now)
}

// acquire takes a slot; a dead environment's connection fails before hand-over.
func (w *world) acquire(e *environment) bool {
	if e.dead || e.inFlight >= e.version.Slots {
		return false
	}
	e.inFlight++
	w.inFlight++
	e.version.inFlight++
	if e.inFlight == e.version.Slots {
		e.version.room.Shut(e.at)
	}
	if e.phase != ready || e.inFlight > e.version.Slots || e.instance.provider != e.version.provider {
		w.violated("I5, I6 or I9", "environment %s in phase %d got a call, %d of %d slots are taken", e.id, e.phase, e.inFlight, e.version.Slots)
	}
	if !e.version.active {
		w.violated("I8", "a call reached version %s before its minimum was ready", e.version.key)
	}
	return true
}

// run begins a call in an environment.
func (w *world) run(e *environment, call int32) {
	i := e.instance
	if !i.awake {
		i.awake = true
		for _, other := range i.envs {
			other.sampled = w.now
		}
		w.queue.push(event{at: w.now + sampleInterval, kind: sample, subject: i.index})
	}
	e.cpu.advance(w.now)
	e.cpu.add(job{wait: w.vary(e.version.Wait, e.version.Jitter), begun: w.now, call: call}, w.vary(e.version.CPU, e.version.Jitter))
	w.follow(e)
}

func (w *world) vary(d time.Duration, jitter float64) time.Duration {
	if jitter == 0 {
		return d
	}
	return time.Duration(float64(d) * (1 + jitter*(2*w.calls.Float64()-1)))
}

// follow asks for an event when the next call has its CPU. One that is pending
// already and comes too early does no harm: it asks again.
func (w *world) follow(e *environment) {
	if len(e.cpu.jobs) == 0 {
		return
	}
	if due := e.cpu.due(); e.cpu.next == 0 || due < e.cpu.next {
		e.cpu.next = due
		w.queue.push(event{at: due, kind: cpuDone, subject: e.index})
	}
}

// compute lets the calls that have had their CPU go on waiting.
func (w *world) compute(e *environment, at time.Duration) {
	if e.cpu.next != at || e.dead {
		return
	}
	e.cpu.next = 0
	e.cpu.advance(w.now)
	for {
		j, ok := e.cpu.finished()
		if !ok {
			break
		}
		wait := time.Duration(float64(j.wait) * e.cpu.slow)
		w.queue.push(event{at: w.now + wait, kind: waitDone, subject: e.index, call: j.call, begun: j.begun})
	}
	w.follow(e)
}

// answer ends a call well.
func (w *world) answer(e *environment, call int32, begun time.Duration) {
	if e.dead {
		return // it was lost with its environment
	}
	w.release(e)
	e.version.served++
	e.answers++
	e.took += recent * (float64(w.now-begun) - e.took)
	w.result.Served++
	w.latency.Add(w.now - begun)
	w.point.Latency.Add(w.now - begun)
	w.settle(call)
	if e.phase == draining && e.inFlight == 0 {
		w.end(e)
	}
}

func (w *world) release(e *environment) {
	w.inFlight--
	if e.inFlight--; e.at < 0 {
		return // it is draining
	}
	e.version.inFlight--
	if e.inFlight == e.version.Slots-1 {
		e.version.room.Open(e.at)
	}
}

// settle notes that a call has its answer.
func (w *world) settle(call int32) {
	if !w.cfg.Audit {
		return
	}
	w.answered[call]++
	if w.answered[call] > 1 {
		w.violated("I3", "call %d was answered %d times", call, w.answered[call])
	}
}

// recent is how much the latest call counts in what an environment takes of late.
const recent = 0.1

// sampleInterval is how often agents measure and report (internal/agent).
const sampleInterval = 250 * time.Millisecond

// sample is an agent's look at its environments. It sleeps when none was busy.
func (w *world) sample(i *instance) {
	if i.gone {
		return
	}
	busy := false
	muted := w.now < i.mute
	for _, e := range i.envs {
		e.cpu.advance(w.now)
		use := 0.0
		if passed := w.now - e.sampled; passed > 0 {
			use = min(1, e.cpu.used/(float64(passed)*e.cpu.share))
		}
		busy = busy || use > 0 || e.inFlight > 0
		if muted {
			continue // the figures stay as they were known
		}
		e.cpu.used, e.sampled = 0, w.now
		if e.at >= 0 {
			e.version.cpu += use - e.use
		}
		e.use = use
	}
	if !muted {
		i.reported = w.now
		w.wake(i.provider, w.now)
	}
	i.awake = busy || muted
	if i.awake {
		w.queue.push(event{at: w.now + sampleInterval, kind: sample, subject: i.index})
	}
}
