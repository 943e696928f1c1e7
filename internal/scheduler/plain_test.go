package scheduler

import (
	"cmp"
	"slices"

	"github.com/lamina-dev/lamina"
)

// plainDecide says what Decide has to say, by looking at every host for every environment.
func plainDecide(r Request) Decision {
	s := plainState{state{Request: r, hosts: slices.Clone(r.Hosts), subnets: slices.Clone(r.Subnets)}}
	d := Decision{Place: map[string]int{}}
	for n := range r.Count {
		if !s.placeOne() {
			d.Missing = r.Count - n
			d.Refusal = s.refusal()
			break
		}
	}
	for i, h := range s.hosts {
		switch placed := h.Version - versionBefore(r.Hosts, i); {
		case placed == 0:
		case i < len(r.Hosts):
			d.Place[h.ID] += placed
		default:
			l := s.launches[i-len(r.Hosts)]
			l.Count = placed
			d.Launch = append(d.Launch, l)
		}
	}
	return d
}

func versionBefore(hosts []Host, i int) int {
	if i < len(hosts) {
		return hosts[i].Version
	}
	return 0
}

// plainState has no index.
type plainState struct{ state }

func (s *plainState) placeOne() bool {
	zones := s.zones()
	for _, zone := range zones {
		if s.onHost(zone) || (!s.troubled(zone) && s.byLaunch(zone)) {
			return true
		}
	}
	return slices.ContainsFunc(zones, func(zone string) bool { return s.troubled(zone) && s.byLaunch(zone) })
}

// zones in order of preference.
func (s *plainState) zones() []string {
	type load struct {
		zone            string
		version, hosted int
	}
	byName := map[string]*load{}
	at := func(zone string) *load {
		if byName[zone] == nil {
			byName[zone] = &load{zone: zone}
		}
		return byName[zone]
	}
	for _, sub := range s.subnets {
		at(sub.Zone)
	}
	for _, h := range s.hosts {
		l := at(h.Zone)
		l.version += h.Version
		l.hosted++
	}
	loads := make([]*load, 0, len(byName))
	for _, l := range byName {
		loads = append(loads, l)
	}
	slices.SortFunc(loads, func(a, b *load) int {
		return cmp.Or(-cmp.Compare(min(a.hosted, 1), min(b.hosted, 1)), cmp.Compare(a.zone, b.zone))
	})
	inner := loads[:min(spreadZones, len(loads))]
	slices.SortStableFunc(inner, func(a, b *load) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.hosted, b.hosted), cmp.Compare(a.zone, b.zone))
	})
	names := make([]string, len(loads))
	for i, l := range loads {
		names[i] = l.zone
	}
	return names
}

// onHost takes, of the zone's instances with room, the one with the fewest
// environments of this version, then the fullest.
func (s *plainState) onHost(zone string) bool {
	best := -1
	for i, h := range s.hosts {
		if h.Zone != zone || h.FreeMilliVCPU < s.Need.MilliVCPU || h.FreeMiB < s.Need.MemoryMiB {
			continue
		}
		if best < 0 || cmp.Or(cmp.Compare(h.Version, s.hosts[best].Version), cmp.Compare(h.FreeMilliVCPU, s.hosts[best].FreeMilliVCPU)) < 0 {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	h := &s.hosts[best]
	h.Version++
	h.FreeMilliVCPU -= s.Need.MilliVCPU
	h.FreeMiB -= s.Need.MemoryMiB
	return true
}

func (s *plainState) byLaunch(zone string) bool {
	offer, ok := s.offer(zone)
	if !ok {
		return false
	}
	for i := range s.subnets {
		sub := &s.subnets[i]
		if sub.Zone != zone || sub.Free <= 0 {
			continue
		}
		sub.Free--
		s.VCPULeft -= offer.VCPUs
		s.launches = append(s.launches, Launch{Offer: offer, SubnetID: sub.ID, Zone: zone})
		s.hosts = append(s.hosts, Host{
			Zone:          zone,
			FreeMilliVCPU: int64(offer.VCPUs)*1000 - lamina.ReserveMilliVCPU,
			FreeMiB:       offer.MemoryMiB - lamina.ReserveMiB,
		})
		return s.onHost(zone)
	}
	return false
}

// plainScaleIn says what ScaleIn has to say, by looking at every environment for each.
func plainScaleIn(envs []Placed, n int) []string {
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
