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

// spreadZones is over how many zones a version's environments are spread at
// most, as measured on AWS (targets.md 1.1 "Start layout").
const spreadZones = 3

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

// launchTries is after how many failed launches none is tried any more: two
// whole start layouts of three instances (chosen; AWS names no figure).
const launchTries = 6

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
	s := newState(r)
	d := Decision{Place: map[string]int{}}
	for n := range r.Count {
		if !s.placeOne() {
			d.Missing = r.Count - n
			d.Refusal = s.refusal()
			break
		}
	}
	for i, n := range s.placed {
		switch {
		case n == 0:
		case i < len(r.Hosts):
			d.Place[s.hosts[i].ID] += int(n)
		default:
			l := s.launches[i-len(r.Hosts)]
			l.Count = int(n)
			d.Launch = append(d.Launch, l)
		}
	}
	return d
}

// state is a decision in the making. What it costs to look at a large fleet for one
// environment is what counts, so the hosts stay as they were asked about, and what
// is placed on them stands beside.
type state struct {
	Request
	hosts    []Host  // those of the request, then the launches
	placed   []int32 // on each of the hosts
	older    []int32 // of each host: the next of a zone's fresh ones
	subnets  []Subnet
	zones    []*zone
	launches []Launch
}

func newState(r Request) *state {
	s := &state{Request: r, hosts: slices.Clip(r.Hosts), placed: make([]int32, len(r.Hosts)), older: make([]int32, len(r.Hosts)), subnets: slices.Clone(r.Subnets)}
	for _, sub := range s.subnets {
		s.zone(sub.Zone)
	}
	for i := range s.hosts {
		s.add(s.zone(s.hosts[i].Zone), i, s.hosts[i].Version, s.fits(i))
	}
	return s
}

func (s *state) zone(name string) *zone {
	for _, z := range s.zones {
		if z.name == name {
			return z
		}
	}
	z := &zone{name: name, fresh: -1, troubled: s.troubled(name)}
	s.zones = append(s.zones, z)
	return z
}

// fits says whether a host has room for one more.
func (s *state) fits(i int) bool {
	h, n := &s.hosts[i], int64(s.placed[i])+1
	return h.FreeMilliVCPU >= n*s.Need.MilliVCPU && h.FreeMiB >= n*s.Need.MemoryMiB
}

// compare prefers the instance with fewer environments of the version, then the fuller one.
func (s *state) compare(i, j int32) int {
	a, b := &s.hosts[i], &s.hosts[j]
	if c := a.Version + int(s.placed[i]) - b.Version - int(s.placed[j]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.FreeMilliVCPU-int64(s.placed[i])*s.Need.MilliVCPU, b.FreeMilliVCPU-int64(s.placed[j])*s.Need.MilliVCPU), cmp.Compare(i, j))
}

// placeOne walks the zones from the one with the fewest environments of this
// version: in each, an instance with room, else a launch. Zones beyond
// spreadZones come into play only when those fail, and zones where a launch
// failed lately when no other takes one.
func (s *state) placeOne() bool {
	prefer(s.zones)
	for _, z := range s.zones {
		if s.onHost(z) || (!z.troubled && s.byLaunch(z)) {
			return true
		}
	}
	return slices.ContainsFunc(s.zones, func(z *zone) bool { return z.troubled && s.byLaunch(z) })
}

// troubled says whether a launch failed in a zone lately.
func (s *state) troubled(zone string) bool {
	return slices.ContainsFunc(s.Failed, func(f Failure) bool { return f.Zone == "" || f.Zone == zone })
}

// failed says whether a type's launch failed in a zone lately, or too many did anywhere.
func (s *state) failed(zone, typ string) bool {
	return len(s.Failed) >= launchTries || slices.ContainsFunc(s.Failed, func(f Failure) bool {
		return (f.Zone == "" || f.Zone == zone) && (f.Type == "" || f.Type == typ)
	})
}

// onHost takes the zone's best instance with room.
func (s *state) onHost(z *zone) bool {
	z.order(s)
	if len(z.roomy) == 0 {
		return false
	}
	i := int(z.roomy[0])
	s.placed[i]++
	z.version++
	z.changed(s, s.fits(i))
	return true
}

func (s *state) byLaunch(z *zone) bool {
	offer, ok := s.offer(z.name)
	if !ok {
		return false
	}
	for i := range s.subnets {
		sub := &s.subnets[i]
		if sub.Zone != z.name || sub.Free <= 0 {
			continue
		}
		sub.Free--
		s.VCPULeft -= offer.VCPUs
		s.launches = append(s.launches, Launch{Offer: offer, SubnetID: sub.ID, Zone: z.name})
		s.hosts = append(s.hosts, Host{
			Zone:          z.name,
			FreeMilliVCPU: int64(offer.VCPUs)*1000 - lamina.ReserveMilliVCPU,
			FreeMiB:       offer.MemoryMiB - lamina.ReserveMiB,
		})
		s.placed = append(s.placed, 0)
		s.older = append(s.older, 0)
		s.add(z, len(s.hosts)-1, 0, true)
		return s.onHost(z)
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
			lamina.TextNoType+" of %d MiB and %.1f vCPU beside the 1 vCPU and 1 GiB each instance keeps for itself. Allow a larger type or lower the function's memory.",
			s.Need.MemoryMiB, float64(s.Need.MilliVCPU)/1000)}
	case !slices.ContainsFunc(s.Offers, under):
		return &Refusal{lamina.ReasonVCPULimit, lamina.TextVCPULimit}
	case len(s.Failed) > 0 && slices.ContainsFunc(s.subnets, address):
		last := s.Failed[len(s.Failed)-1].Refusal
		return &last
	case len(s.subnets) == 0:
		return &Refusal{lamina.ReasonInvalidSubnet, "None of the capacity provider's subnets exists any more."}
	default:
		return &Refusal{lamina.ReasonNoAddresses, "The subnets of the capacity provider have no free IP addresses left. Use larger subnets or end what holds their addresses."}
	}
}
