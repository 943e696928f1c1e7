package sim

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/scheduler"
)

// waiting is the function of issue 5: 5 ms of CPU, 50 ms of waiting, 16 slots.
var waiting = Profile{CPU: 5 * time.Millisecond, Wait: 50 * time.Millisecond, MemoryMB: 2048, GiBPerVCPU: 2, Slots: 16, Min: 3, Max: -1}

var offers = []scheduler.Offer{{Type: "c6a.large", VCPUs: 2, MemoryMiB: 4096}, {Type: "c6a.xlarge", VCPUs: 4, MemoryMiB: 8192}, {Type: "c6a.2xlarge", VCPUs: 8, MemoryMiB: 16384}}

func threeZones() Provider {
	return Provider{MaxVCPU: 400, Zones: []string{"a", "b", "c"}, Offers: offers}
}

// one is a run of one function.
func one(seed uint64, p Profile, t Traffic, warm int, length time.Duration) Config {
	return Config{
		Seed: seed, Length: length, Providers: []Provider{threeZones()}, Delays: Local, Audit: true,
		Functions: []Function{{Profile: p, Traffic: t, Warm: warm}},
	}
}

func check(t *testing.T, seed uint64, r *Result) {
	t.Helper()
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", seed, v)
	}
}

func TestASeedReplaysExactly(t *testing.T) {
	c := one(7, waiting, Sine(10, 900, 20*time.Second), 3, 40*time.Second)
	c.Faults = []Fault{{At: 10 * time.Second, Kind: KillInstance}, {At: 15 * time.Second, Kind: RestartLeader, For: time.Second}}
	a, b := Run(c), Run(c)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two runs of one seed differ: %d and %d served", a.Served, b.Served)
	}
	if c.Seed = 8; reflect.DeepEqual(a, Run(c)) {
		t.Error("another seed gives the same run")
	}
	check(t, 7, a)
}

// One environment with more slots than it ever needs is an M/G/1 queue with
// processor sharing: the mean time of a call is its CPU ÷ (1 − use), plus its wait.
func TestProcessorSharingAgreesWithTheory(t *testing.T) {
	for _, use := range []float64{0.2, 0.5, 0.8} {
		p := waiting
		p.Slots, p.Min, p.Max = 1600, 1, 1
		r := Run(one(1, p, Steady(use*200), 1, 30*time.Minute))
		check(t, 1, r)
		want := 5/(1-use) + 50
		got := r.Latency.mean().Seconds() * 1000
		if math.Abs(got-want) > 0.04*want || r.Throttled > 0 {
			t.Errorf("at %.0f %% CPU: mean %.2f ms, theory %.2f ms; %d throttled", use*100, got, want, r.Throttled)
		}
	}
}

// Environments that only wait are servers without a queue: Erlang's B formula
// says how many calls find all slots taken.
func TestThrottlesAgreeWithTheory(t *testing.T) {
	p := waiting
	p.CPU, p.Wait, p.Slots, p.Min, p.Max = 0, 100*time.Millisecond, 8, 4, 4
	for _, offered := range []float64{20, 32, 64} {
		r := Run(one(1, p, Steady(offered*10), 4, 30*time.Minute))
		check(t, 1, r)
		got, want := float64(r.Throttled)/float64(r.Calls), erlangB(offered, 32)
		if math.Abs(got-want) > 0.05*want+0.0005 {
			t.Errorf("%.0f calls at once on 32 slots: %.4f throttled, theory %.4f", offered, got, want)
		}
	}
}

func erlangB(offered float64, slots int) float64 {
	b := 1.0
	for n := 1; n <= slots; n++ {
		b = offered * b / (float64(n) + offered*b)
	}
	return b
}

func (h *Histogram) mean() time.Duration {
	sum := 0.0
	for c, n := range h.classes {
		octave, part := c/classesPerDoubling, c%classesPerDoubling
		sum += n * math.Exp2(float64(octave)) * (1 + (float64(part)+0.5)/classesPerDoubling)
	}
	return time.Duration(sum / h.total * float64(time.Microsecond))
}

func TestPercentiles(t *testing.T) {
	var h Histogram
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Millisecond)
	}
	for p, want := range map[float64]float64{50: 500, 99: 990, 100: 1000} {
		if got := h.Percentile(p).Seconds() * 1000; math.Abs(got-want) > 0.03*want {
			t.Errorf("p%v is %v ms, want %v", p, got, want)
		}
	}
}
