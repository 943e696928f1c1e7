package awsproto

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Budget bounds the bytes of request bodies that a server holds in memory at
// once, over all connections. Takers share one counter and no lock; only who
// finds it exhausted waits at one.
type Budget struct {
	size int64
	used atomic.Int64

	waiting atomic.Int64
	mu      sync.Mutex
	freed   chan struct{} // closed when bytes come back while somebody waits
}

const (
	// defaultBudget holds three of the largest uploads, or forty of the largest
	// payloads (chosen).
	defaultBudget = 256 << 20
	// budgetWait is how long a body waits for others to end before it is
	// refused (chosen: less than a client's patience, more than most calls take).
	budgetWait = 500 * time.Millisecond
	// smallBody is what the last eighth of the budget is kept for, so that large
	// bodies never shut out the small ones (chosen).
	smallBody = 64 << 10
)

// NewBudget makes a budget of so many bytes.
func NewBudget(size int64) *Budget { return &Budget{size: size, freed: make(chan struct{})} }

// Used is the number of bytes taken.
func (b *Budget) Used() int64 { return b.used.Load() }

// most is how full the budget may get by a body that then has so many bytes.
func (b *Budget) most(held int64) int64 {
	if held > smallBody {
		return b.size - b.size/8
	}
	return b.size
}

func (b *Budget) take(n, most int64) bool {
	for {
		used := b.used.Load()
		if used+n > most {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// acquire takes n bytes for a body that holds some already, waiting for a short
// time where there are none. It tells whether it got them.
func (b *Budget) acquire(ctx context.Context, n, held int64) bool {
	most := b.most(held + n)
	if b.take(n, most) {
		return true
	}
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	timer := time.NewTimer(budgetWait)
	defer timer.Stop()
	for {
		freed := b.nextFreed()
		if b.take(n, most) {
			return true
		}
		select {
		case <-freed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (b *Budget) nextFreed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.freed
}

// release gives n bytes back.
func (b *Budget) release(n int64) {
	if n == 0 {
		return
	}
	b.used.Add(-n)
	if b.waiting.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.freed)
	b.freed = make(chan struct{})
}
