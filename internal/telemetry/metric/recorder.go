package metric

import (
	"math/rand/v2"
	"sync"
)

// Recorder sums up values that many goroutines measure, until somebody takes
// them. The zero Recorder is ready.
type Recorder struct {
	shards [4]shard // so that callers seldom meet
}

type shard struct {
	mu   sync.Mutex
	stat Stat
	_    [32]byte // no shard shares a cache line with the next
}

// Add takes a value in.
func (r *Recorder) Add(value float64) {
	s := &r.shards[rand.IntN(len(r.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stat.Add(value, 1)
}

// Take gives what was added since the last Take.
func (r *Recorder) Take() Stat {
	var sum Stat
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		sum.Merge(s.stat)
		s.stat = Stat{}
		s.mu.Unlock()
	}
	return sum
}
