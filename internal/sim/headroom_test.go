package sim

import (
	"fmt"
	"testing"
	"time"
)

const steady = 10 * time.Minute

// steadyAt is a run of ten steady minutes at the target with n environments, then more.
func steadyAt(seed uint64, n int, then func(rate float64) Traffic, length time.Duration) (Config, float64) {
	rate := 100 * float64(n) // half of what n environments of one vCPU can do at 5 ms each
	return one(seed, waiting, then(rate), n, steady+length), rate
}

// throttledAfter gives the calls throttled from a time on, and the last second with one.
func throttledAfter(r *Result, from time.Duration) (n int64, last time.Duration) {
	for _, p := range r.Series {
		if p.At > from && p.Throttled > 0 {
			n, last = n+p.Throttled, p.At
		}
	}
	return n, last
}

// forSeeds runs 20 seeds of the least fleet that the promise is for, and a few of larger ones.
func forSeeds(t *testing.T, f func(t *testing.T, seed uint64, n int)) {
	for n, seeds := range map[int]uint64{6: 20, 10: 3, 24: 1} {
		t.Run(fmt.Sprintf("%d environments", n), func(t *testing.T) {
			for seed := range seeds {
				f(t, seed, n)
			}
		})
	}
}

// AWS: half as much again is borne at once.
func TestHalfAsMuchAgainIsBorne(t *testing.T) {
	forSeeds(t, func(t *testing.T, seed uint64, n int) {
		c, _ := steadyAt(seed, n, func(r float64) Traffic { return Step(r, 1.5*r, steady) }, time.Minute)
		r := Run(c)
		check(t, seed, r)
		if r.Throttled > 0 || r.Unplaced > 0 {
			t.Errorf("seed %d: %d throttled, %d environments found no place", seed, r.Throttled, r.Unplaced)
		}
	})
}

// AWS: twice as much within five minutes is borne.
func TestDoublingInFiveMinutesIsBorne(t *testing.T) {
	forSeeds(t, func(t *testing.T, seed uint64, n int) {
		c, _ := steadyAt(seed, n, func(r float64) Traffic { return Ramp(r, 2*r, steady, 5*time.Minute) }, 6*time.Minute)
		r := Run(c)
		check(t, seed, r)
		if r.Throttled > 0 || r.Unplaced > 0 {
			t.Errorf("seed %d: %d throttled, %d environments found no place", seed, r.Throttled, r.Unplaced)
		}
	})
}

// AWS: faster growth gets 429 until capacity is there. Here that is three seconds (targets.md P4c).
func TestFourTimesThrottlesUntilNewEnvironmentsServe(t *testing.T) {
	forSeeds(t, func(t *testing.T, seed uint64, n int) {
		c, _ := steadyAt(seed, n, func(r float64) Traffic { return Step(r, 4*r, steady) }, time.Minute)
		c.Every = 100 * time.Millisecond
		r := Run(c)
		check(t, seed, r)
		throttled, last := throttledAfter(r, steady)
		if throttled == 0 || last > steady+3*time.Second {
			t.Errorf("seed %d: %d throttled, the last %v after the step", seed, throttled, last-steady)
		}
		if before := r.Throttled - throttled; before > 0 {
			t.Errorf("seed %d: %d throttled before the step", seed, before)
		}
	})
}

// Constant load: the number of environments changes its direction once in ten minutes at most.
func TestConstantLoadDoesNotFlap(t *testing.T) {
	for _, n := range []int{3, 6, 12} {
		for share := 0.4; share <= 1.05; share += 0.2 {
			t.Run(fmt.Sprintf("%d environments at %.2f of the target", n, share), func(t *testing.T) {
				for seed := range uint64(1) {
					r := Run(one(seed, waiting, Steady(100*share*float64(n)), n, 2*steady))
					check(t, seed, r)
					if worst := most(r.Turns, steady); worst > 1 || r.Throttled > 0 {
						t.Errorf("seed %d: %d changes of direction in ten minutes (%v), %d throttled", seed, worst, r.Turns, r.Throttled)
					}
				}
			})
		}
	}
}

// most is how many of the times lie in any window of a length, at most.
func most(times []time.Duration, window time.Duration) int {
	highest := 0
	for i := range times {
		n := 0
		for _, t := range times[i:] {
			if t-times[i] < window {
				n++
			}
		}
		highest = max(highest, n)
	}
	return highest
}
