package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/router"
	"github.com/lamina-dev/lamina/internal/scaler"
	"github.com/lamina-dev/lamina/internal/scheduler"
)

// As the controller has them.
const (
	emptyGrace   = 2 * time.Second // an instance without environments ends after it
	retryRound   = 500 * time.Millisecond
	staleAfter   = 3 * time.Second  // without a word from the agent of a busy environment
	launchMemory = 30 * time.Second // for which a failed launch counts
)

type failedLaunch struct {
	scheduler.Failure
	at time.Duration
}

// wake asks for a look, as soon as a round may follow the last one.
func (w *world) wake(p *provider, at time.Duration) {
	at = max(at, w.now, p.lastLook+w.cfg.Delays.Round, p.leaderAt)
	if p.nextLook >= 0 && p.nextLook <= at {
		return
	}
	p.nextLook = at
	w.queue.push(event{at: at, kind: look, subject: p.index})
}

// look is the controller's round for one provider: scaler, scheduler, routes.
func (w *world) look(p *provider) {
	p.lastLook, p.nextLook = w.now, -1
	p.failed = slices.DeleteFunc(p.failed, func(f failedLaunch) bool { return w.now-f.at > launchMemory })
	w.bury(p)
	for _, v := range p.versions {
		if v.changed {
			w.route(v)
		}
	}
	blind := w.blind(p)
	for _, v := range p.versions {
		w.scale(v, blind)
	}
}

// blind says whether some busy agent has not been heard of for too long.
func (w *world) blind(p *provider) bool {
	return w.now < p.muteUntil && slices.ContainsFunc(p.instances, func(i *instance) bool {
		return w.now < i.mute && i.awake && w.now-i.reported > staleAfter
	})
}

// scale brings a version to the number that the scaler asks for.
func (w *world) scale(v *version, blind bool) {
	in := scaler.Signals{
		Serving: v.ready, Starting: v.starting, Slots: v.slots, InFlight: v.inFlight, Served: v.served, Refused: v.refused, Blind: blind,
	}
	if in.Serving > 0 {
		in.CPU = v.cpu / float64(in.Serving)
	}
	v.served, v.refused = 0, 0
	before := v.latest.Want
	v.state, v.latest = v.state.Managed(in, scaler.Bounds{Min: v.Min, Max: v.Max, Target: v.provider.Target}, epoch.Add(w.now))
	if before != 0 {
		w.turned(v, v.latest.Want-before)
	}
	if blind && v.latest.Want < len(v.live) && (v.Max < 0 || len(v.live) <= v.Max) {
		w.violated("F9", "version %s shall go from %d to %d environments while an agent is not heard of", v.key, len(v.live), v.latest.Want)
	}
	switch want := max(v.latest.Want, v.Min); {
	case len(v.live) < want:
		w.start(v, want-len(v.live))
	case len(v.live) > want && v.starting == 0:
		w.scaleIn(v, len(v.live)-want)
	}
	if !v.latest.Due.IsZero() {
		w.wake(v.provider, v.latest.Due.Sub(epoch))
	}
}

// turned counts changes of direction.
func (w *world) turned(v *version, change int) {
	direction := 0
	switch {
	case change > 0:
		direction = 1
	case change < 0:
		direction = -1
	default:
		return
	}
	if v.turn != direction {
		w.result.Turns = append(w.result.Turns, w.now)
	}
	v.turn = direction
}

// start places so many environments of a version, and launches what they need.
func (w *world) start(v *version, n int) {
	p := v.provider
	q := scheduler.Request{Count: n, Need: v.need(), Offers: p.Offers, VCPULeft: p.MaxVCPU - p.vcpus}
	for _, i := range p.instances {
		q.Hosts = append(q.Hosts, scheduler.Host{ID: i.id, Zone: i.zone, FreeMilliVCPU: i.freeCPU, FreeMiB: i.freeMiB, Version: i.holds[v.index]})
	}
	for _, z := range p.Zones {
		q.Subnets = append(q.Subnets, scheduler.Subnet{ID: z, Zone: z, Free: 1 << 20})
	}
	for _, f := range p.failed {
		q.Failed = append(q.Failed, f.Failure)
	}
	d := scheduler.Decide(q)
	if d.Refusal != nil {
		w.result.Unplaced += int64(d.Missing)
		w.wake(p, w.now+retryRound)
	}
	for _, i := range slices.Clone(p.instances) {
		for range d.Place[i.id] {
			w.place(v, i)
		}
	}
	for _, l := range d.Launch {
		w.launch(v, l)
	}
}

func (w *world) place(v *version, i *instance) {
	index := int32(len(w.environments))
	e := &environment{
		index: index, id: "e" + strconv.Itoa(int(index)), version: v, instance: i, at: -1, sampled: w.now,
		cpu: processor{share: v.vcpus(), slow: 1, at: w.now},
	}
	w.environments = append(w.environments, e)
	i.envs, v.live = append(i.envs, e), append(v.live, e)
	i.holds[v.index]++
	i.freeFor(v.Profile, 1)
	i.emptyAt = -1
	if i.freeCPU < 0 || i.freeMiB < 0 || i.provider != v.provider {
		w.violated("I9", "instance %s of provider %d cannot hold environment %s of provider %d", i.id, i.provider.index, e.id, v.provider.index)
	}
	v.starting++
	if i.launched {
		w.queue.push(event{at: w.now + w.cfg.Delays.Start, kind: started, subject: e.index})
	}
}

func (w *world) launch(v *version, l scheduler.Launch) {
	p := v.provider
	i := &instance{
		index: int32(len(w.instances)), id: "i" + strconv.Itoa(len(w.instances)), provider: p, zone: l.Zone, typ: l.Type, vcpus: l.VCPUs,
		price: priceOf(l.Type), holds: make([]int, len(w.cfg.Functions)),
		freeCPU: int64(l.VCPUs)*1000 - reserveMilliVCPU, freeMiB: l.MemoryMiB - reserveMiB,
		launched: w.cfg.Delays.Launch == 0, reported: w.now, emptyAt: -1,
	}
	w.instances, p.instances = append(w.instances, i), append(p.instances, i)
	if p.vcpus += i.vcpus; p.vcpus > p.MaxVCPU {
		w.violated("I7", "%d vCPUs of provider %d are launched or launching, %d are allowed", p.vcpus, p.index, p.MaxVCPU)
	}
	for range l.Count {
		w.place(v, i)
	}
	if !i.launched {
		w.queue.push(event{at: w.now + w.cfg.Delays.Launch, kind: launched, subject: i.index})
	}
}

// joined is the end of a launch, good or bad.
func (w *world) joined(i *instance) {
	if i.gone {
		return
	}
	if w.launchFails(i) {
		f := scheduler.Failure{Zone: i.zone, Type: i.typ, Refusal: scheduler.Refusal{Code: lamina.ReasonInsufficient, Text: "injected"}}
		i.provider.failed = append(i.provider.failed, failedLaunch{f, w.now})
		w.kill(i)
		w.wake(i.provider, w.now)
		return
	}
	i.launched, i.reported = true, w.now
	for _, e := range i.envs {
		w.queue.push(event{at: w.now + w.cfg.Delays.Start, kind: started, subject: e.index})
	}
}

// started is an environment's first poll.
func (w *world) started(e *environment) {
	if e.dead || e.phase != starting {
		return
	}
	e.phase, e.sampled = ready, w.now
	e.version.starting--
	e.version.changed = true
	w.wake(e.version.provider, w.now)
}

// scaleIn drains so many environments.
func (w *world) scaleIn(v *version, n int) {
	candidates := make([]scheduler.Placed, len(v.live))
	for k, e := range v.live {
		candidates[k] = scheduler.Placed{ID: e.id, Host: e.instance.id, Zone: e.instance.zone, Shared: len(e.instance.envs), InFlight: int(e.inFlight)}
	}
	var drained []*environment
	for _, id := range scheduler.ScaleIn(candidates, n) {
		e := w.byID(id)
		e.phase = draining
		e.instance.holds[v.index]--
		drained = append(drained, e)
	}
	v.live = slices.DeleteFunc(v.live, func(e *environment) bool { return e.phase == draining })
	w.route(v)
	for _, e := range drained {
		if e.inFlight == 0 {
			w.end(e)
		}
	}
	if len(v.live) < v.Min {
		w.violated("minimum", "scale-in left %d environments of version %s, %d are the minimum", len(v.live), v.key, v.Min)
	}
}

func (w *world) byID(id string) *environment {
	index, err := strconv.Atoi(id[1:])
	if err != nil {
		panic(err) // place made it
	}
	return w.environments[index]
}

// end takes a drained environment off its instance.
func (w *world) end(e *environment) {
	if e.inFlight > 0 {
		w.violated("P4", "environment %s ended with %d calls in it", e.id, e.inFlight)
	}
	e.phase = ended
	w.leave(e)
	w.noteEmpty(e.instance)
}

func (w *world) leave(e *environment) {
	i := e.instance
	i.envs = slices.DeleteFunc(i.envs, func(other *environment) bool { return other == e })
	i.freeFor(e.version.Profile, -1)
}

// route gives the router the environments that serve. A version is Active from
// its minimum on.
func (w *world) route(v *version) {
	v.changed = false
	before := v.serving
	for _, e := range before {
		e.at = -1
	}
	if ready := len(v.live) - v.starting; ready >= v.Min {
		v.active = true
	}
	if v.flow != nil {
		v.ready = len(v.live) - v.starting
		v.slots = v.ready * int(v.Slots)
		return
	}
	v.serving, v.ready, v.slots, v.cpu, v.inFlight = nil, 0, 0, 0, 0
	if !v.active {
		return
	}
	for _, e := range v.live {
		if e.phase == ready {
			e.at = len(v.serving)
			v.serving = append(v.serving, e)
			v.cpu += e.use
			v.inFlight += int(e.inFlight)
		}
	}
	v.ready, v.slots = len(v.serving), len(v.serving)*int(v.Slots)
	v.room = router.NewRoom(len(v.serving))
	for k, e := range v.serving {
		if e.inFlight >= v.Slots {
			v.room.Shut(k)
		}
	}
}

// noteEmpty begins or ends the time after which an empty instance goes.
func (w *world) noteEmpty(i *instance) {
	switch {
	case len(i.envs) > 0:
		i.emptyAt = -1
	case i.emptyAt < 0:
		i.emptyAt = w.now
		w.queue.push(event{at: w.now + emptyGrace, kind: emptied, subject: i.index})
	}
}

func (w *world) endIfEmpty(i *instance) {
	if i.gone || i.emptyAt < 0 || w.now-i.emptyAt < emptyGrace {
		return
	}
	if w.now < i.provider.leaderAt {
		w.queue.push(event{at: i.provider.leaderAt, kind: emptied, subject: i.index})
		return
	}
	w.remove(i)
}

// remove takes an instance out; its share is free when the driver says gone.
func (w *world) remove(i *instance) {
	p := i.provider
	i.gone = true
	p.vcpus -= i.vcpus
	p.instances = slices.DeleteFunc(p.instances, func(other *instance) bool { return other == i })
}
