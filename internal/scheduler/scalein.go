package scheduler

import (
	"cmp"
	"slices"
	"strings"
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
	zones := occupied(envs)
	var ended []string
	for range min(n, len(envs)) {
		z := slices.MinFunc(zones, func(a, b *occupiedZone) int {
			return cmp.Or(-cmp.Compare(a.left, b.left), a.first().compare(b.first()))
		})
		ended = append(ended, z.take())
		if z.left == 0 {
			zones = slices.DeleteFunc(zones, func(other *occupiedZone) bool { return other == z })
		}
	}
	return ended
}

// occupiedZone is a zone by its hosts: a heap, the next to lose an environment first.
type occupiedZone struct {
	left  int // environments of the version
	hosts []*occupiedHost
}

// occupiedHost is a host by its environments of the version, the least busy first.
type occupiedHost struct {
	shared int // environments of any version
	envs   []Placed
}

func occupied(envs []Placed) []*occupiedZone {
	zones, hosts := map[string]*occupiedZone{}, map[string]*occupiedHost{}
	var all []*occupiedZone
	for _, e := range envs {
		z := zones[e.Zone]
		if z == nil {
			z = &occupiedZone{}
			zones[e.Zone], all = z, append(all, z)
		}
		h := hosts[e.Host]
		if h == nil {
			h = &occupiedHost{}
			hosts[e.Host], z.hosts = h, append(z.hosts, h)
		}
		z.left++
		h.shared = e.Shared
		h.envs = append(h.envs, e)
	}
	for _, h := range hosts {
		slices.SortFunc(h.envs, func(a, b Placed) int {
			return cmp.Or(cmp.Compare(a.InFlight, b.InFlight), strings.Compare(a.ID, b.ID))
		})
	}
	for _, z := range all {
		for at := len(z.hosts)/2 - 1; at >= 0; at-- {
			z.sink(at)
		}
	}
	return all
}

func (h *occupiedHost) compare(other *occupiedHost) int {
	a, b := &h.envs[0], &other.envs[0]
	return cmp.Or(cmp.Compare(h.shared, other.shared), cmp.Compare(a.InFlight, b.InFlight),
		strings.Compare(a.Host, b.Host), strings.Compare(a.ID, b.ID))
}

func (z *occupiedZone) first() *occupiedHost { return z.hosts[0] }

// take ends the first host's first environment.
func (z *occupiedZone) take() string {
	h := z.hosts[0]
	id := h.envs[0].ID
	h.envs = h.envs[1:]
	h.shared--
	z.left--
	if len(h.envs) == 0 {
		last := len(z.hosts) - 1
		z.hosts[0], z.hosts = z.hosts[last], z.hosts[:last]
	}
	z.sink(0)
	return id
}

func (z *occupiedZone) sink(at int) {
	for {
		child := 2*at + 1
		if child >= len(z.hosts) {
			return
		}
		if right := child + 1; right < len(z.hosts) && z.hosts[right].compare(z.hosts[child]) < 0 {
			child = right
		}
		if z.hosts[child].compare(z.hosts[at]) >= 0 {
			return
		}
		z.hosts[child], z.hosts[at] = z.hosts[at], z.hosts[child]
		at = child
	}
}
