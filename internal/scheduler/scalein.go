package scheduler

import (
	"cmp"
	"slices"
)

// Placed is an environment that could be ended.
type Placed struct {
	ID, Host, Zone string
	Shared         int // environments of any version on its host
	InFlight       int
}

// ScaleIn chooses n environments of one version to end: from the zone with most
// of them, so that the spread stays; there from the host with fewest environments,
// so that hosts become empty; there the least busy.
func ScaleIn(envs []Placed, n int) []string {
	left := slices.Clone(envs)
	inZone, onHost := map[string]int{}, map[string]int{}
	for _, e := range left {
		inZone[e.Zone]++
		onHost[e.Host] = e.Shared
	}
	var ended []string
	for len(ended) < n && len(left) > 0 {
		first := slices.MinFunc(left, func(a, b Placed) int {
			return cmp.Or(-cmp.Compare(inZone[a.Zone], inZone[b.Zone]), cmp.Compare(onHost[a.Host], onHost[b.Host]),
				cmp.Compare(a.InFlight, b.InFlight), cmp.Compare(a.Host, b.Host), cmp.Compare(a.ID, b.ID))
		})
		ended = append(ended, first.ID)
		inZone[first.Zone]--
		onHost[first.Host]--
		left = slices.DeleteFunc(left, func(e Placed) bool { return e.ID == first.ID })
	}
	return ended
}
