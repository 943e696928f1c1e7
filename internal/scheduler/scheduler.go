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
	s := newState(r)
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
	zones    []*zone
	launches []Launch
}

func newState(r Request) *state {
	s := &state{Request: r, hosts: slices.Clone(r.Hosts), subnets: slices.Clone(r.Subnets)}
	for _, sub := range s.subnets {
		s.zone(sub.Zone)
	}
	for i, h := range s.hosts {
		s.zone(h.Zone).add(i, h, s.fits(h))
	}
	for _, z := range s.zones {
		z.order(s.hosts)
	}
	return s
}

func (s *state) zone(name string) *zone {
	for _, z := range s.zones {
		if z.name == name {
			return z
		}
	}
	z := &zone{name: name, troubled: s.troubled(name)}
	s.zones = append(s.zones, z)
	return z
}

func (s *state) fits(h Host) bool {
	return h.FreeMilliVCPU >= s.Need.MilliVCPU && h.FreeMiB >= s.Need.MemoryMiB
}

// placeOne walks the zones from the one with the fewest environments of this
// version: in each, an instance with room, else a launch. Zones beyond
// SpreadZones come into play only when those fail, and zones where a launch
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
	return len(s.Failed) >= LaunchTries || slices.ContainsFunc(s.Failed, func(f Failure) bool {
		return (f.Zone == "" || f.Zone == zone) && (f.Type == "" || f.Type == typ)
	})
}

// onHost takes the zone's best instance with room.
func (s *state) onHost(z *zone) bool {
	if len(z.roomy) == 0 {
		return false
	}
	h := &s.hosts[z.roomy[0]]
	h.Version++
	h.FreeMilliVCPU -= s.Need.MilliVCPU
	h.FreeMiB -= s.Need.MemoryMiB
	z.version++
	z.changed(s.hosts, s.fits(*h))
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
		h := Host{
			Zone:          z.name,
			FreeMilliVCPU: int64(offer.VCPUs)*1000 - lamina.ReserveMilliVCPU,
			FreeMiB:       offer.MemoryMiB - lamina.ReserveMiB,
		}
		s.hosts = append(s.hosts, h)
		z.add(len(s.hosts)-1, h, true)
		z.order(s.hosts)
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
