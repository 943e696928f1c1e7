package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/lamina-dev/lamina/bench/load"
)

const (
	// openShare is the part of its own maximum at which a subject's open-loop latency is taken.
	openShare = 0.7
	// leastWarm is how long a subject runs unmeasured at least; the one before it comes to rest meanwhile (chosen).
	leastWarm = 100 * time.Millisecond
)

// measurePaths does all rounds: closed loop first, since the open loop's rate
// depends on it.
func (b *bench) measurePaths() (*report, error) {
	if err := b.startSubjects(); err != nil {
		return nil, err
	}
	r := newReport(b)
	warm := max(b.length/10, leastWarm)
	for round := range b.rounds {
		for i, n := range b.connections {
			b.progress("closed loop, round %d of %d, connections: %d", round+1, b.rounds, n)
			for j, s := range b.inTurn(round) {
				before := s.look()
				res := load.Closed(b.ctx, s.target, n, warm, b.length)
				r.Lines[j].Closed[i].add(res, before, s.look())
				runtime.GC() // what this one left is not the next one's to clean
			}
		}
	}
	for _, l := range r.Lines {
		l.sum()
		l.Open.Rate = openShare * l.best()
	}
	for round := range b.rounds {
		b.progress("open loop, round %d of %d", round+1, b.rounds)
		for j, s := range b.inTurn(round) {
			l := r.Lines[j]
			l.Open.Rounds = append(l.Open.Rounds, roundOf(load.Open(b.ctx, s.target, slotsMax, l.Open.Rate, warm, b.length)))
			runtime.GC()
		}
	}
	r.compare()
	return r, nil
}

// inTurn gives the subjects by their place, each round beginning at another
// one; none once the run is cut short.
func (b *bench) inTurn(round int) func(yield func(int, *subject) bool) {
	return func(yield func(int, *subject) bool) {
		for i := range b.subjects {
			j := (round + i) % len(b.subjects)
			if b.ctx.Err() != nil || !yield(j, b.subjects[j]) {
				return
			}
		}
	}
}

func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
