// Package scheduler decides on which instances execution environments run, and
// which instances to launch for those that fit nowhere. It is pure: values in,
// a decision out, each refusal with its explanation.
//
// The rules are DESIGN.md 23: environments of one version spread over the
// provider's zones; an instance keeps a reserve for itself; launches prefer the
// cheapest type that holds an environment, stay under the vCPU cap, and need a
// free subnet address.
package scheduler

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lamina-dev/lamina"
)

// SpreadZones is over how many zones a version's environments are spread at
// most, as measured on AWS (targets.md 1.1 "Start layout").
const SpreadZones = 3

// Need is what one environment asks of an instance.
type Need struct {
	MilliVCPU int64
	MemoryMiB int64
}

// Host is an instance that is running or launching. Free is what the reserve and
// the placed environments leave.
type Host struct {
	ID            string
	Zone          string
	FreeMilliVCPU int64
	FreeMiB       int64
	Version       int // environments of the version being placed
}

// Subnet is where a launch could get its address.
type Subnet struct {
	ID   string
	Zone string
	Free int // addresses not in use
}

// Offer is an instance type the provider may launch.
type Offer struct {
	Type      string
	VCPUs     int32
	MemoryMiB int64
}

// Request asks for Count environments of one version.
type Request struct {
	Count    int
	Need     Need
	Hosts    []Host
	Subnets  []Subnet
	Offers   []Offer // cheapest first
	VCPULeft int32   // cap less what is allocated
	Failed   []Failure
}

// Failure is a launch that came to nothing a short while ago: it is not repeated
// there while another zone or type may do. An empty Zone or Type stands for all.
type Failure struct {
	Zone string
	Type string
	Refusal
}

// LaunchTries is after how many failed launches none is tried any more: two
// whole start layouts of three instances (chosen; AWS names no figure).
const LaunchTries = 6

// Launch is a new instance with how many of the environments it takes.
type Launch struct {
	Offer
	SubnetID string
	Zone     string
	Count    int
}

// Refusal says why an environment found no place, for the state reason and `lamina explain`.
type Refusal struct {
	Code string // a state reason code
	Text string
}

// Decision is the outcome: where environments go, and why the rest does not.
type Decision struct {
	Place   map[string]int // instance id → environments
	Launch  []Launch
	Missing int // environments without a place
	Refusal *Refusal
}

// Decide places as many of the environments as fit.
func Decide(r Request) Decision {
	s := state{Request: r, hosts: slices.Clone(r.Hosts), subnets: slices.Clone(r.Subnets)}
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

type state struct {
	Request
	hosts    []Host // those of the request, then the launches
	subnets  []Subnet
	launches []Launch
}

// placeOne walks the zones from the one with the fewest environments of this
// version: in each, an instance with room, else a launch. Zones beyond
// SpreadZones come into play only when those fail, and zones where a launch
// failed lately when no other takes one.
func (s *state) placeOne() bool {
	zones := s.zones()
	for _, zone := range zones {
		if s.onHost(zone) || (!s.troubled(zone) && s.byLaunch(zone)) {
			return true
		}
	}
	return slices.ContainsFunc(zones, func(zone string) bool { return s.troubled(zone) && s.byLaunch(zone) })
}

// troubled says whether a launch failed in a zone lately.
func (s *state) troubled(zone string) bool {
	return slices.ContainsFunc(s.Failed, func(f Failure) bool { return f.Zone == "" || f.Zone == zone })
}

// failed says whether a type's launch failed in a zone lately, or too many did anywhere.
func (s *state) failed(zone, typ string) bool {
	return len(s.Failed) >= LaunchTries || slices.ContainsFunc(s.Failed, func(f Failure) bool {
		return (f.Zone == "" || f.Zone == zone) && (f.Type == "" || f.Type == typ)
	})
}

// zones in order of preference.
func (s *state) zones() []string {
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
	inner := loads[:min(SpreadZones, len(loads))]
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
func (s *state) onHost(zone string) bool {
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

func (s *state) byLaunch(zone string) bool {
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

// offer is the cheapest type that holds one environment, fits under the cap and
// has not failed in the zone.
func (s *state) offer(zone string) (Offer, bool) {
	for _, o := range s.Offers {
		if s.holds(o) && o.VCPUs <= s.VCPULeft && !s.failed(zone, o.Type) {
			return o, true
		}
	}
	return Offer{}, false
}

// holds says whether a type holds one environment beside the reserve.
func (s *state) holds(o Offer) bool {
	return int64(o.VCPUs)*1000-lamina.ReserveMilliVCPU >= s.Need.MilliVCPU && o.MemoryMiB-lamina.ReserveMiB >= s.Need.MemoryMiB
}

// refusal names the one limit that stopped the placement.
func (s *state) refusal() *Refusal {
	under := func(o Offer) bool { return s.holds(o) && o.VCPUs <= s.VCPULeft }
	address := func(sub Subnet) bool { return sub.Free > 0 }
	switch {
	case !slices.ContainsFunc(s.Offers, s.holds):
		return &Refusal{lamina.ReasonInsufficient, fmt.Sprintf(
			"No allowed instance type holds an environment of %d MiB and %.1f vCPU beside the 1 vCPU and 1 GiB each instance keeps for itself. Allow a larger type or lower the function's memory.",
			s.Need.MemoryMiB, float64(s.Need.MilliVCPU)/1000)}
	case !slices.ContainsFunc(s.Offers, under):
		return &Refusal{lamina.ReasonVCPULimit, lamina.TextVCPULimit}
	case len(s.Failed) > 0 && slices.ContainsFunc(s.subnets, address):
		last := s.Failed[len(s.Failed)-1].Refusal
		return &last
	default:
		return &Refusal{lamina.ReasonNoAddresses, "The subnets of the capacity provider have no free IP addresses left. Use larger subnets or end what holds their addresses."}
	}
}
