package sim

import (
	"iter"

	"github.com/lamina-dev/lamina/internal/router"
)

// LeastLoaded looks at all environments and takes the least loaded, from a
// random one on, then all with room. It is here to be compared with router.Choices.
func LeastLoaded(n int, load func(i int) float64, room *router.Room, random func(n int) int) iter.Seq[int] {
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

// HotCold is the rule of Prequal (targets.md 1.5): of probes candidates those at
// or above hot are avoided, and of the others the one with the lowest latency is
// taken; when all are hot, the least loaded. latency tells an environment's recent one.
func HotCold(probes int, hot float64, latency func(i int) float64) Choice {
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
