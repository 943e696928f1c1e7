package agent

import (
	"slices"
	"sync"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// cpus deals this host's CPUs out to environments, in turn; other instances'
// agents do the same, each beginning elsewhere. The agent itself stays on those of
// its environments: a message that wakes a process of another CPU costs more than
// all that is done for it (docs/decisions/0028).
type cpus struct {
	all   []int // of the host's
	alone bool  // the agent is a process of its own, which may be moved

	mu    sync.Mutex
	dealt int
	used  map[string][]int // by environment
}

func newCPUs(cfg Config) *cpus {
	return &cpus{all: sandbox.CPUs(), alone: cfg.threads != nil, dealt: cfg.FirstCPU, used: map[string][]int{}}
}

// take gives n of the CPUs to an environment, or all where there are no more.
func (c *cpus) take(n int) []int {
	if n >= len(c.all) {
		return c.all
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := make([]int, n)
	for i := range mine {
		mine[i] = c.all[(c.dealt+i)%len(c.all)]
	}
	c.dealt += n
	return mine
}

// follow moves the agent to where its environments are, after one of them has
// started on CPUs, or ended: none then.
func (c *cpus) follow(environment string, on []int) {
	if !c.alone || len(c.all) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.used, environment); len(on) > 0 {
		c.used[environment] = on
	}
	var all []int
	for _, some := range c.used {
		all = append(all, some...)
	}
	if len(all) == 0 {
		all = c.all
	}
	slices.Sort(all)
	sandbox.StayOn(slices.Compact(all))
}
