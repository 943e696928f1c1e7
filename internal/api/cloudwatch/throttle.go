package cloudwatch

import (
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/wire"
)

// reasons a refused call is counted under, one of them for each (lmi-service.md
// 7.3). AWS names no rule for which. A call is refused for want of a free slot
// alone, so the reason is what kept the slots: a version whose environments have
// used up their CPU or memory is held by that, any other by its concurrency. The
// disk never refuses a call here: who fills it gets his own write refused.
const (
	nameConcurrencyThrottles = "ConcurrencyThrottles"
	nameCPUThrottles         = "CPUThrottles"
	nameMemoryThrottles      = "MemoryThrottles"
	nameDiskThrottles        = "DiskThrottles"
)

var throttleReasons = []string{nameConcurrencyThrottles, nameCPUThrottles, nameMemoryThrottles, nameDiskThrottles}

// exhausted is the share of its CPU or memory from which an environment counts as
// having used it up (chosen; of its slots, scaler.Saturation).
const exhausted = 0.95

// pressure is the mean use of the environments that serve a version.
type pressure struct {
	environments int
	cpu, memory  float64 // sums of shares, 0..1 each
}

// pressures by version key.
func pressures(members map[string]fleet.Member) map[string]pressure {
	all := map[string]pressure{}
	for _, m := range members {
		for i := range m.Assigned {
			spec := &m.Assigned[i]
			status, ok := m.Environments[spec.ID]
			if !ok || status.State != wire.EnvironmentReady || spec.Draining || spec.MemoryMB <= 0 {
				continue
			}
			p := all[spec.VersionKey]
			p.environments++
			p.cpu += status.CPU
			p.memory += float64(status.Memory) / (float64(spec.MemoryMB) * (1 << 20))
			all[spec.VersionKey] = p
		}
	}
	return all
}

// reason is the metric that a refused call counts under.
func (p pressure) reason() string {
	switch full := exhausted * float64(p.environments); {
	case p.environments == 0:
	case p.cpu >= full:
		return nameCPUThrottles
	case p.memory >= full:
		return nameMemoryThrottles
	}
	return nameConcurrencyThrottles
}
