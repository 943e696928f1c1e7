package scaler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var start = time.Unix(1_800_000_000, 0)

// steady is a load that environments with 16 slots share evenly.
func steady(n int, cpu float64, inFlight int) Signals {
	return Signals{Serving: n, Slots: 16 * n, CPU: cpu, InFlight: inFlight, Served: 10}
}

// idle is the memory of a version that has had no load.
func idle() State {
	s, _ := State{}.Managed(Signals{}, free, start.Add(-time.Hour))
	return s
}

var free = Bounds{Min: 3, Max: -1}

func TestOneLook(t *testing.T) {
	for name, c := range map[string]struct {
		in    Signals
		b     Bounds
		want  int
		cause Cause
	}{
		"idle: the minimum":                     {Signals{Serving: 3, Slots: 48}, free, 3, Floor},
		"nothing serves yet: the minimum":       {Signals{}, free, 3, Floor},
		"half the CPU is the target":            {steady(4, 0.5, 4), free, 4, CPU},
		"more CPU than the target":              {steady(4, 0.6, 4), free, 5, CPU},
		"CPU all used":                          {steady(3, 1, 4), free, 6, CPU},
		"a Manual target":                       {steady(4, 0.6, 4), Bounds{Min: 3, Max: -1, Target: 0.7}, 4, CPU},
		"two thirds of the slots are theirs":    {steady(4, 0.1, 42), free, 4, Concurrency},
		"more slots than two thirds":            {steady(4, 0.1, 50), free, 5, Concurrency},
		"slots full":                            {steady(3, 0.1, 48), free, 5, Concurrency},
		"refused calls count as offered load":   {Signals{Serving: 3, Slots: 48, InFlight: 48, Served: 10, Refused: 10}, free, 9, Saturated},
		"refused before any ended: once each":   {Signals{Serving: 3, Slots: 48, InFlight: 48, Refused: 16}, free, 6, Saturated},
		"growth is bounded":                     {Signals{Serving: 3, Slots: 48, InFlight: 48, Served: 1, Refused: 1000}, free, 12, Saturated},
		"the maximum":                           {steady(3, 1, 4), Bounds{Min: 1, Max: 4}, 4, Ceiling},
		"a host without CPU":                    {Signals{Serving: 3, Slots: 48, CPU: 1, InFlight: 4, Served: 1, HostSaturated: true}, Bounds{Min: 1, Max: -1}, 3, HostLimit},
		"one slot each, all taken":              {Signals{Serving: 3, Slots: 3, InFlight: 3, Served: 1}, free, 5, Concurrency},
		"min = max = 1":                         {steady(1, 1, 16), Bounds{Min: 1, Max: 1}, 1, Ceiling},
		"deactivated: none, whatever the load":  {steady(1, 1, 16), Bounds{Min: 0, Max: 0}, 0, Ceiling},
		"the default minimum is kept above one": {steady(3, 0.2, 4), free, 3, Floor},
	} {
		t.Run(name, func(t *testing.T) {
			_, d := idle().Managed(c.in, c.b, start)
			if d.Want != c.want || d.Cause != c.cause {
				t.Errorf("got %d because of %s, want %d because of %s", d.Want, d.Cause, c.want, c.cause)
			}
		})
	}
}

// model is a version whose environments come ready some time after they are wanted.
type model struct {
	s       State
	b       Bounds
	now     time.Time
	serving int
	coming  []time.Time
	turns   int // changes of direction
	last    int // +1 or -1, the last direction
	d       Decision
}

const (
	look  = 250 * time.Millisecond
	boots = 300 * time.Millisecond
)

// step lets one look pass under a load: cpu in environments' worth, and the wanted concurrency.
func (m *model) step(cpu float64, concurrency int) {
	m.now = m.now.Add(look)
	for len(m.coming) > 0 && !m.coming[0].After(m.now) {
		m.coming, m.serving = m.coming[1:], m.serving+1
	}
	slots := 16 * m.serving
	in := Signals{
		Serving: m.serving, Slots: slots, InFlight: min(concurrency, slots), Refused: int64(max(0, concurrency-slots)),
		Served: int64(min(concurrency, slots)), CPU: min(1, cpu/float64(m.serving)),
	}
	m.s, m.d = m.s.Managed(in, m.b, m.now)
	m.follow()
}

func (m *model) follow() {
	have := m.serving + len(m.coming)
	direction := 0
	switch {
	case m.d.Want > have:
		direction = 1
		for range m.d.Want - have {
			m.coming = append(m.coming, m.now.Add(boots))
		}
	case m.d.Want < have:
		direction = -1
		m.serving, m.coming = m.d.Want, nil
	}
	if direction != 0 && direction != m.last {
		m.turns++
		m.last = direction
	}
}

func newModel(n int) *model { return &model{b: free, now: start, serving: n} }

func (m *model) run(d time.Duration, cpu, concurrency func(at time.Duration) float64) {
	for began := m.now; m.now.Sub(began) < d; {
		at := m.now.Sub(began)
		m.step(cpu(at), int(concurrency(at)))
	}
}

func always(x float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return x }
}

func TestConstantLoadKeepsItsEnvironments(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		noisy := func(x float64) func(time.Duration) float64 {
			return func(time.Duration) float64 { return x * (0.95 + 0.1*r.Float64()) }
		}
		m := newModel(3)
		level := 1 + 20*r.Float64()
		m.run(10*time.Minute, noisy(level), noisy(16*level*r.Float64()))
		if m.turns > 1 {
			t.Errorf("seed %d: load of %.2f environments: %d changes of direction, %d environments at the end", seed, level, m.turns, m.serving)
		}
	}
}

func TestAStepIsFollowedAtOnce(t *testing.T) {
	m := newModel(6)
	m.run(10*time.Minute, always(3), always(33))
	if m.serving != 6 {
		t.Fatalf("steady at %d environments, want 6", m.serving)
	}
	m.run(2*time.Second, always(4.5), always(50))
	if m.serving != 9 {
		t.Errorf("two seconds after a step to 1.5 times the load there are %d environments, want 9", m.serving)
	}
	m.run(3*time.Second, always(12), always(132))
	if m.serving != 24 {
		t.Errorf("three seconds after a step to 4 times the load there are %d environments, want 24", m.serving)
	}
}

func TestScaleInIsSlowAndStopsAtTheMinimum(t *testing.T) {
	m := newModel(3)
	m.run(5*time.Second, always(8), always(10))
	if m.serving != 16 {
		t.Fatalf("%d environments, want 16", m.serving)
	}
	m.run(Hold-5*time.Second, always(0), always(0))
	if m.serving != 16 || m.d.Cause != Holding {
		t.Errorf("before the hold is over: %d environments, %s", m.serving, m.d.Cause)
	}
	before := m.serving
	for range 24 {
		m.run(5*time.Second, always(0), always(0))
		if before-m.serving > 1 {
			t.Errorf("from %d to %d within five seconds", before, m.serving)
		}
		before = m.serving
	}
	if m.serving != 3 || m.turns != 2 {
		t.Errorf("in the end %d environments after %d changes of direction, want 3 after 2", m.serving, m.turns)
	}
}

// What is held of a load that has fallen is not said to ask for more than the maximum.
func TestAFallenLoadIsNotHeldByTheMaximum(t *testing.T) {
	m := newModel(3)
	m.b.Max = 6
	m.run(5*time.Second, always(8), always(10))
	if m.d.Cause != Ceiling {
		t.Fatalf("under load: %s, want %s", m.d.Cause, Ceiling)
	}
	m.run(20*time.Second, always(0), always(0))
	if m.d.Want != 6 || m.d.Cause != Holding {
		t.Errorf("after it: %d because of %s, want 6 because of %s", m.d.Want, m.d.Cause, Holding)
	}
	m.b.Max = 3
	m.run(time.Second, always(0), always(0))
	if m.d.Want != 3 || m.d.Cause != Floor {
		t.Errorf("with one bound for both: %d because of %s, want 3 because of %s", m.d.Want, m.d.Cause, Floor)
	}
}

func TestNothingIsEndedWhileBlind(t *testing.T) {
	m := newModel(3)
	m.run(5*time.Second, always(4), always(10))
	have := m.serving
	for range 1000 {
		m.now = m.now.Add(look)
		m.s, m.d = m.s.Managed(Signals{Serving: have, Slots: 16 * have, Blind: true}, free, m.now)
	}
	if m.d.Want != have || m.d.Cause != Blindness {
		t.Errorf("blind for four minutes: %d because of %s, want %d", m.d.Want, m.d.Cause, have)
	}
}

func TestASaturatedHostGetsNoMore(t *testing.T) {
	m := newModel(4)
	m.run(5*time.Second, always(2), always(2))
	m.s, m.d = m.s.Managed(Signals{Serving: 4, Slots: 64, CPU: 1, InFlight: 8, Served: 1, HostSaturated: true}, free, m.now.Add(time.Second))
	if m.d.Want != 4 || m.d.Cause != HostLimit {
		t.Errorf("got %d because of %s, want 4 because of %s", m.d.Want, m.d.Cause, HostLimit)
	}
}

// A raised maximum or a lowered minimum holds at the next look.
func TestBoundsHoldAtOnce(t *testing.T) {
	m := newModel(3)
	m.b.Max = 4
	m.run(5*time.Second, always(8), always(8))
	if m.serving != 4 || m.d.Cause != Ceiling {
		t.Errorf("%d because of %s, want 4 because of the maximum", m.serving, m.d.Cause)
	}
	m.b.Max = -1
	m.run(5*time.Second, always(8), always(8))
	if m.serving != 16 {
		t.Errorf("%d environments without a maximum, want 16", m.serving)
	}
	unused := newModel(5)
	unused.s, unused.b.Min = idle(), 5
	unused.run(time.Second, always(0), always(0))
	unused.b.Min = 2
	unused.run(time.Second, always(0), always(0))
	if unused.serving != 2 {
		t.Errorf("%d environments after the minimum was lowered to 2", unused.serving)
	}
}

// A server that starts anew finds environments and no memory of why they are there.
func TestAfterARestartNothingIsEndedAtOnce(t *testing.T) {
	m := newModel(16)
	m.run(Hold-time.Second, always(0), always(0))
	if m.serving != 16 {
		t.Errorf("%d of 16 environments are left before the hold is over", m.serving)
	}
}

// What was still starting, or is not heard of yet, was wanted as well.
func TestAfterARestartWhatComesToLightIsKept(t *testing.T) {
	now := start
	var s State
	var d Decision
	for _, look := range []struct {
		in   Signals
		want int
	}{
		{Signals{Blind: true}, 3},
		{Signals{Blind: true, Serving: 4, Slots: 64, Starting: 2}, 6},
		{Signals{Blind: true, Serving: 9, Slots: 144, Starting: 7}, 16},
		{Signals{Serving: 9, Slots: 144, Starting: 7}, 16},
		{Signals{Serving: 16, Slots: 256}, 16},
	} {
		now = now.Add(time.Second)
		if s, d = s.Managed(look.in, free, now); d.Want != look.want {
			t.Errorf("%+v: %d because of %s, want %d", look.in, d.Want, d.Cause, look.want)
		}
	}
	for range 600 {
		now = now.Add(time.Second)
		s, d = s.Managed(Signals{Serving: d.Want, Slots: 16 * d.Want}, free, now)
	}
	if d.Want != 3 {
		t.Errorf("after ten minutes without load %d are left, want 3", d.Want)
	}
}

// Whatever comes in, the answer stays in its bounds and nothing grows for ever.
func FuzzManaged(f *testing.F) {
	f.Add(uint64(1), int8(3), int8(-1))
	f.Fuzz(func(t *testing.T, seed uint64, lo, hi int8) {
		r := rand.New(rand.NewPCG(seed, 2))
		b := Bounds{Min: max(0, int(lo)), Max: int(hi)}
		if b.Max >= 0 && b.Max < b.Min {
			b.Max = b.Min
		}
		var s State
		now := start
		for range 200 {
			now = now.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
			n := r.IntN(20)
			in := Signals{Serving: n, Slots: n * (1 + r.IntN(64)), InFlight: r.IntN(200), CPU: r.Float64(), Served: r.Int64N(100), Refused: r.Int64N(100), Blind: r.IntN(9) == 0}
			var d Decision
			s, d = s.Managed(in, b, now)
			if d.Want < b.Min || (b.Max >= 0 && d.Want > b.Max) {
				t.Fatalf("%s: %d", fmt.Sprint(in, b), d.Want)
			}
			if len(s.peaks) > 128 {
				t.Fatalf("%d peaks are remembered", len(s.peaks))
			}
		}
	})
}
