package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/router"
	"github.com/lamina-dev/lamina/internal/scaler"
)

// epoch is when every run begins; the policies want a date.
var epoch = time.Unix(1_800_000_000, 0)

// world is all that is at one instant of a run.
type world struct {
	cfg    Config
	now    time.Duration
	queue  queue
	calls  *rand.Rand // arrivals and what calls need
	router *rand.Rand
	faults *rand.Rand

	providers    []*provider
	versions     []*version
	instances    []*instance
	environments []*environment

	inFlight int64 // calls that have no answer yet
	result   Result
	point    Point // being measured
	latency  Histogram
	answered []uint8 // per call, when audited
}

type provider struct {
	Provider
	index     int32
	versions  []*version
	instances []*instance // present ones
	vcpus     int32       // of all present ones, launching ones included
	nextLook  time.Duration
	lastLook  time.Duration
	leaderAt  time.Duration // no leader before it
	failed    []failedLaunch
	dead      []*environment // killed since the last look
	muteUntil time.Duration  // of the instance that is mute the longest
	failUntil time.Duration
	failShare float64
	downUntil map[string]time.Duration // zones
}

type version struct {
	Function
	index    int32
	provider *provider
	key      string
	state    scaler.State
	latest   scaler.Decision
	active   bool
	live     []*environment // not on their way out
	starting int            // of live
	changed  bool           // the routes are not what they should be

	// The router's side.
	serving  []*environment
	ready    int // how many serve
	room     *router.Room
	load     func(i int) float64
	slots    int
	inFlight int     // in them
	cpu      float64 // sum of the last samples of serving
	served   int64   // since the last look
	refused  int64
	flow     *flow // what stands for single calls; nil: they are played
	turn     int   // +1, -1: where the number went last
}

type instance struct {
	index    int32
	id       string
	provider *provider
	zone     string
	typ      string
	price    float64 // USD an hour, on demand
	vcpus    int32
	freeCPU  int64 // thousandths
	freeMiB  int64
	envs     []*environment
	holds    []int // environments that are not on their way out, by version
	launched bool
	gone     bool
	awake    bool // its agent samples
	reported time.Duration
	mute     time.Duration // no report arrives before it
	emptyAt  time.Duration // when it became empty; -1: it is not
}

// phase of an environment's life.
type phase uint8

const (
	starting phase = iota
	ready
	draining
	ended
)

type environment struct {
	index    int32
	id       string
	version  *version
	instance *instance
	phase    phase
	dead     bool // killed; nobody may know yet
	at       int  // in version.serving; -1: not there
	inFlight int32
	cpu      processor
	sampled  time.Duration
	use      float64 // of the last sample, 0..1
	answers  int64
	took     float64 // nanoseconds of a call, of late
}

// Run plays a configuration from beginning to end.
func Run(cfg Config) *Result { return &play(cfg).result }

func play(cfg Config) *world {
	w := newWorld(cfg)
	w.play()
	return w
}

func (w *world) play() {
	for len(w.queue.events) > 0 {
		e := w.queue.pop()
		if e.at > w.cfg.Length {
			break
		}
		w.now = e.at
		w.happen(&e)
	}
	w.finish()
}

func newWorld(cfg Config) *world {
	if cfg.Every == 0 {
		cfg.Every = time.Second
	}
	if cfg.Choice == nil {
		cfg.Choice = router.Choices
	}
	w := &world{
		cfg: cfg, calls: rand.New(rand.NewPCG(cfg.Seed, 1)), router: rand.New(rand.NewPCG(cfg.Seed, 2)), faults: rand.New(rand.NewPCG(cfg.Seed, 3)),
	}
	for i, p := range cfg.Providers {
		w.providers = append(w.providers, &provider{Provider: p, index: int32(i), nextLook: -1, downUntil: map[string]time.Duration{}})
	}
	for i, f := range cfg.Functions {
		w.add(int32(i), f)
	}
	for i, f := range cfg.Faults {
		w.queue.push(event{at: f.At, kind: injection, subject: int32(i)})
	}
	if cfg.Aggregate {
		w.queue.push(event{at: sampleInterval, kind: flowing})
	}
	w.queue.push(event{at: cfg.Every, kind: measurement})
	return w
}

// add makes a version with its warm environments.
func (w *world) add(index int32, f Function) {
	p := w.providers[f.Provider]
	v := &version{Function: f, index: index, provider: p, key: "f" + strconv.Itoa(int(index)), room: router.NewRoom(0)}
	v.load = func(i int) float64 { return float64(v.serving[i].inFlight) / float64(v.Slots) }
	w.versions, p.versions = append(w.versions, v), append(p.versions, v)
	delays := w.cfg.Delays
	w.cfg.Delays = Delays{}
	w.start(v, max(f.Warm, f.Min))
	for _, inst := range p.instances {
		inst.launched = true
	}
	for _, e := range v.live {
		e.phase = ready
	}
	w.cfg.Delays = delays
	v.starting = 0
	v.active = len(v.live) >= f.Min
	w.route(v)
	w.wake(p, 0)
	if w.cfg.Aggregate {
		v.flow = newFlow(f, w.cfg)
		w.route(v)
		return
	}
	if at := f.Traffic.next(0, w.cfg.Length, w.calls); at < w.cfg.Length {
		w.queue.push(event{at: at, kind: arrival, subject: index})
	}
}

func (w *world) happen(e *event) {
	switch e.kind {
	case arrival:
		w.arrive(w.versions[e.subject])
	case cpuDone:
		w.compute(w.environments[e.subject], e.at)
	case waitDone:
		w.answer(w.environments[e.subject], e.call, e.begun)
	case sample:
		w.sample(w.instances[e.subject])
	case look:
		if p := w.providers[e.subject]; p.nextLook == e.at {
			w.look(p)
		}
	case launched:
		w.joined(w.instances[e.subject])
	case started:
		w.started(w.environments[e.subject])
	case emptied:
		w.endIfEmpty(w.instances[e.subject])
	case flowing:
		w.flowAll()
	case measurement:
		w.measure()
		w.queue.push(event{at: w.now + w.cfg.Every, kind: measurement})
	case injection:
		w.inject(w.cfg.Faults[e.subject])
	}
}

// violated records that an invariant of targets.md 5.3 does not hold.
func (w *world) violated(invariant, format string, args ...any) {
	if len(w.result.Violations) < 10 {
		w.result.Violations = append(w.result.Violations, fmt.Sprintf("%s at %v: ", invariant, w.now)+fmt.Sprintf(format, args...))
	}
}

func (i *instance) freeFor(p Profile, sign int64) {
	n := p.need()
	i.freeCPU -= sign * n.MilliVCPU
	i.freeMiB -= sign * n.MemoryMiB
}

// reserve is what an instance keeps for itself, as the scheduler counts it.
const (
	reserveMilliVCPU = lamina.ReserveMilliVCPU
	reserveMiB       = lamina.ReserveMiB
)
