package scheduler

import (
	"cmp"
	"slices"
	"strings"
)

// zone is what a decision knows of one zone.
type zone struct {
	name     string
	version  int     // environments of the version being placed
	hosted   int     // instances
	troubled bool    // a launch failed here lately
	roomy    []int32 // instances with room, as indexes of the hosts: a heap, the best first
	fresh    int32   // the latest of those with room that are not among them yet, the others by state.older; -1: none
}

// prefer sorts zones: the spreadZones that come first, those with instances
// before others, are sorted by how few environments of the version they have.
func prefer(zones []*zone) {
	slices.SortFunc(zones, func(a, b *zone) int {
		return cmp.Or(-cmp.Compare(min(a.hosted, 1), min(b.hosted, 1)), strings.Compare(a.name, b.name))
	})
	slices.SortFunc(zones[:min(spreadZones, len(zones))], func(a, b *zone) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.hosted, b.hosted), strings.Compare(a.name, b.name))
	})
}

// add takes an instance in with so many environments of the version.
func (s *state) add(z *zone, i, version int, fits bool) {
	z.hosted++
	z.version += version
	if fits {
		s.older[i], z.fresh = z.fresh, int32(i)
	}
}

// order takes the fresh instances into the heap, when the zone gets its turn: most
// zones never do.
func (z *zone) order(s *state) {
	if z.fresh < 0 {
		return
	}
	for ; z.fresh >= 0; z.fresh = s.older[z.fresh] {
		z.roomy = append(z.roomy, z.fresh)
	}
	for at := len(z.roomy)/2 - 1; at >= 0; at-- {
		z.sink(s, at)
	}
}

// changed brings the first instance to its new place after an environment was
// put on it: less room never comes before.
func (z *zone) changed(s *state, fits bool) {
	if !fits {
		last := len(z.roomy) - 1
		z.roomy[0], z.roomy = z.roomy[last], z.roomy[:last]
	}
	z.sink(s, 0)
}

func (z *zone) sink(s *state, at int) {
	for {
		child := 2*at + 1
		if child >= len(z.roomy) {
			return
		}
		if right := child + 1; right < len(z.roomy) && s.compare(z.roomy[right], z.roomy[child]) < 0 {
			child = right
		}
		if s.compare(z.roomy[child], z.roomy[at]) >= 0 {
			return
		}
		z.roomy[child], z.roomy[at] = z.roomy[at], z.roomy[child]
		at = child
	}
}
