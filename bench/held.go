package main

import (
	"runtime"
	"sync"
	"time"
)

// held is how much of the cores others have: threads that only look at the clock, one for each core, see its
// jumps. A path that takes all cores can't have a p99 below the longer jumps where these make a hundredth of the time.
type held struct {
	Percent float64 `json:"percent"`
	Longest float64 `json:"longestMicros"`
}

// jump is from where on a step of the clock is somebody else's doing: an interrupt takes less (chosen).
const jump = 200 * time.Microsecond

// watchCores looks for so long.
func watchCores(length time.Duration) held {
	var mu sync.Mutex
	var sum, longest time.Duration
	var all sync.WaitGroup
	cores := runtime.GOMAXPROCS(0)
	for range cores {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			taken, most := jumps(length)
			mu.Lock()
			defer mu.Unlock()
			sum, longest = sum+taken, max(longest, most)
		})
	}
	all.Wait()
	return held{Percent: 100 * sum.Seconds() / (length.Seconds() * float64(cores)), Longest: micros(longest)}
}

// jumps sums the clock's up and tells the longest.
func jumps(length time.Duration) (sum, longest time.Duration) {
	start := time.Now()
	for last := start; last.Sub(start) < length; {
		now := time.Now()
		if step := now.Sub(last); step > jump {
			sum, longest = sum+step, max(longest, step)
		}
		last = now
	}
	return sum, longest
}
