package scheduler

import (
	"cmp"
	"slices"
	"strings"
)

// zone is what a decision knows of one zone.
type zone struct {
	name     string
	version  int   // environments of the version being placed
	hosted   int   // instances
	troubled bool  // a launch failed here lately
	roomy    []int // instances with room, as indexes of the hosts: a heap, the best first
}

// prefer sorts zones: the SpreadZones that come first, those with instances
// before others, are sorted by how few environments of the version they have.
func prefer(zones []*zone) {
	slices.SortFunc(zones, func(a, b *zone) int {
		return cmp.Or(-cmp.Compare(min(a.hosted, 1), min(b.hosted, 1)), strings.Compare(a.name, b.name))
	})
	slices.SortFunc(zones[:min(SpreadZones, len(zones))], func(a, b *zone) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.hosted, b.hosted), strings.Compare(a.name, b.name))
	})
}

// add takes an instance in; order has to follow.
func (z *zone) add(i int, h Host, fits bool) {
	z.hosted++
	z.version += h.Version
	if fits {
		z.roomy = append(z.roomy, i)
	}
}

// order makes a heap of the instances with room.
func (z *zone) order(hosts []Host) {
	for at := len(z.roomy)/2 - 1; at >= 0; at-- {
		z.sink(hosts, at)
	}
}

// changed brings the first instance to its new place after an environment was
// put on it: less room never comes before.
func (z *zone) changed(hosts []Host, fits bool) {
	if !fits {
		last := len(z.roomy) - 1
		z.roomy[0], z.roomy = z.roomy[last], z.roomy[:last]
	}
	z.sink(hosts, 0)
}

func (z *zone) sink(hosts []Host, at int) {
	for {
		child := 2*at + 1
		if child >= len(z.roomy) {
			return
		}
		if right := child + 1; right < len(z.roomy) && better(hosts, z.roomy[right], z.roomy[child]) {
			child = right
		}
		if !better(hosts, z.roomy[child], z.roomy[at]) {
			return
		}
		z.roomy[child], z.roomy[at] = z.roomy[at], z.roomy[child]
		at = child
	}
}

// better prefers the instance with fewer environments of the version, then the fuller one.
func better(hosts []Host, i, j int) bool {
	a, b := &hosts[i], &hosts[j]
	return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.FreeMilliVCPU, b.FreeMilliVCPU), cmp.Compare(i, j)) < 0
}
