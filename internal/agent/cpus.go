package agent

import (
	"sync/atomic"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// cpus deals this host's CPUs out to environments, in turn. Other instances'
// agents do the same, each beginning elsewhere.
type cpus struct{ dealt atomic.Int64 }

// take gives n of the CPUs; nil, which means all, where there are no more.
func (c *cpus) take(n int) []int {
	all := sandbox.CPUs()
	if n >= len(all) {
		return nil
	}
	first := int(c.dealt.Add(int64(n))) - n
	mine := make([]int, n)
	for i := range mine {
		mine[i] = all[(first+i)%len(all)]
	}
	return mine
}
