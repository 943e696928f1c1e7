package sim

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/router"
)

// policies by name; hot/cold needs the world to ask it for latencies.
func policies() []string {
	return []string{"random", "two choices", "least loaded", "hot/cold of 2", "hot/cold of 3"}
}

func choice(name string, w *world) Choice {
	latency := func(i int) float64 { return w.versions[0].serving[i].took }
	switch name {
	case "random":
		return hotCold(1, 0, latency)
	case "two choices":
		return router.Choices
	case "least loaded":
		return leastLoaded
	case "hot/cold of 2":
		return hotCold(2, 0.75, latency)
	default:
		return hotCold(3, 0.75, latency)
	}
}

// leastLoaded looks at all environments and takes the least loaded, from a
// random one on, then all with room.
func leastLoaded(n int, load func(i int) float64, room *router.Room, random func(n int) int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if n == 0 {
			return
		}
		best := random(n)
		for k := range n {
			if i := (best + k) % n; load(i) < load(best) {
				best = i
			}
		}
		if !yield(best) {
			return
		}
		for i := range room.From(random(n)) {
			if i != best && !yield(i) {
				return
			}
		}
	}
}

// hotCold is the rule of Prequal (targets.md 1.5): of probes candidates those at
// or above hot are avoided, and of the others the one with the lowest latency is
// taken; when all are hot, the least loaded. latency tells an environment's recent one.
func hotCold(probes int, hot float64, latency func(i int) float64) Choice {
	return func(n int, load func(i int) float64, room *router.Room, random func(n int) int) iter.Seq[int] {
		return func(yield func(int) bool) {
			if n == 0 {
				return
			}
			best := random(n)
			for range probes - 1 {
				if i := random(n); preferred(i, best, hot, load, latency) {
					best = i
				}
			}
			if !yield(best) {
				return
			}
			for i := range room.From(random(n)) {
				if i != best && !yield(i) {
					return
				}
			}
		}
	}
}

// preferred says whether a is better than b.
func preferred(a, b int, hot float64, load, latency func(i int) float64) bool {
	aHot, bHot := load(a) >= hot, load(b) >= hot
	switch {
	case aHot != bHot:
		return bHot
	case aHot:
		return load(a) < load(b)
	default:
		return latency(a) < latency(b)
	}
}

// oneSlow is three minutes of n environments, one of which takes ten times as long.
func oneSlow(policy string, share float64, n int) *world {
	p := waiting
	p.Min, p.Max, p.Jitter = n, n, 0.2
	c := one(1, p, Steady(200*share*float64(n)), n, 3*time.Minute)
	c.Faults = []Fault{{Kind: SlowEnvironment, Share: 10}}
	w := newWorld(c)
	w.cfg.Choice = choice(policy, w)
	w.play()
	return w
}

// The share of calls that the slow environment takes is what a policy can do about it.
func TestTheRoutersChoiceAvoidsASlowEnvironment(t *testing.T) {
	random, two := oneSlow("random", 0.5, 10), oneSlow("two choices", 0.5, 10)
	if a, b := two.result.Latency.Percentile(95), random.result.Latency.Percentile(95); a >= b {
		t.Errorf("p95 with one slow environment: two choices %v, random %v", a, b)
	}
}

// BenchmarkPolicies compares them; the table stands in docs/decisions. Run it with -benchtime 1x.
func BenchmarkPolicies(b *testing.B) {
	for _, n := range []int{10, 100} {
		for _, share := range []float64{0.5, 0.75} {
			for _, name := range policies() {
				b.Run(fmt.Sprintf("environments=%d/cpu=%.0f%%/%s", n, 100*share, name), func(b *testing.B) {
					for b.Loop() {
						w := oneSlow(name, share, n)
						r := &w.result
						b.ReportMetric(100*float64(w.onSlow())/float64(r.Served), "%slow")
						for _, p := range []float64{50, 95, 99, 99.9} {
							b.ReportMetric(r.Latency.Percentile(p).Seconds()*1000, fmt.Sprintf("p%v-ms", p))
						}
						b.ReportMetric(100*float64(r.Throttled)/float64(r.Calls), "%429")
					}
				})
			}
		}
	}
}

// onSlow is how many calls slow environments answered.
func (w *world) onSlow() int64 {
	n := int64(0)
	for _, e := range w.environments {
		if e.cpu.slow > 1 {
			n += e.answers
		}
	}
	return n
}
