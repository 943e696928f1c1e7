package agent

import (
	"math"
	"os"
	"runtime"
	"sync"
)

// threads keeps the agent to its own vCPU while it does nothing but pass
// invocations on: several threads that hand each other every message cost more
// in waking up than they win. Unpacking takes all of them, so that no invocation
// stands behind it in the queue.
type threads struct {
	few, many int

	mu    sync.Mutex
	heavy int // works that run
}

// newThreads has vCPUCores as the share of a core that the vCPU which an
// instance keeps for itself stands for. Who sets GOMAXPROCS has it so.
func newThreads(vCPUCores float64) *threads {
	t := &threads{few: max(1, int(math.Ceil(vCPUCores))), many: runtime.GOMAXPROCS(0)}
	if os.Getenv("GOMAXPROCS") != "" || t.few > t.many {
		t.few = t.many
	}
	if t.few < t.many {
		runtime.GOMAXPROCS(t.few)
	}
	return t
}

// work runs something that computes for long.
func (t *threads) work(f func() error) error {
	t.count(1)
	defer t.count(-1)
	return f()
}

func (t *threads) count(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.heavy
	t.heavy += n
	switch {
	case t.few == t.many:
	case before == 0:
		runtime.GOMAXPROCS(t.many)
	case t.heavy == 0:
		runtime.GOMAXPROCS(t.few)
	}
}
