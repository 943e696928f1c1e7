package network

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/lamina-dev/lamina"
)

// FuzzMoreReachesMore makes a VPC at random and adds one thing: whoever reached
// a service still does. There are two exceptions, as on AWS: a route that is the
// longest match for what it leads astray, and an endpoint whose private DNS
// takes a name over and then refuses.
func FuzzMoreReachesMore(f *testing.F) {
	for seed := range uint64(2000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		before, h := randomTopology(r), randomHost(r)
		service := pick(r, "logs", "s3")
		was := before.Service(h, service)
		wellFormed(t, was)
		after, wider, excused := more(r, before, h, service)
		is := after.Service(wider, service)
		wellFormed(t, is)
		if was.Reached() && !is.Reached() && !excused {
			t.Errorf("was reached by %+v, now missing: %s\nbefore %+v\nafter %+v\nhost %+v", was.Path, is.Missing.Text, before, after, wider)
		}
	})
}

func wellFormed(t *testing.T, a Answer) {
	t.Helper()
	if a.Reached() == (a.Path.Kind == "") || !a.Reached() && (a.Missing.Code == "" || a.Missing.Text == "" || a.Missing.Remedy == "") {
		t.Errorf("answer %+v, missing %+v", a.Path, a.Missing)
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func some(r *rand.Rand) bool { return r.IntN(4) > 0 }

func randomTopology(r *rand.Rand) *Topology {
	t := isolated().vpc(func(v *lamina.VPC) {
		v.DNSSupport, v.DNSHostnames, v.IPv6CIDR = some(r), some(r), pick(r, "", "2600:1f00::/56")
	})
	t.table("rtb-private", nil, private).table("rtb-public", nil, public)
	if some(r) {
		t.internet()
	}
	t.NAT = []lamina.NATGateway{{ID: "nat-1", VPCID: "vpc-1", SubnetID: pick(r, private, public), PublicIP: pick(r, "", "198.18.0.4")}}
	t.EgressOnly = []lamina.EgressOnlyGateway{{ID: "eigw-1", VPCID: "vpc-1"}}
	for range r.IntN(3) {
		i, add := r.IntN(len(t.Tables)), randomRoute(r)
		if !slices.ContainsFunc(t.Tables[i].Routes, func(o lamina.Route) bool { return o.Destination() == add.Destination() }) {
			t.Tables[i].Routes = append(t.Tables[i].Routes, add)
		}
	}
	for i := range t.Groups {
		if some(r) {
			continue
		}
		t.Groups[i].Rules = nil
		for range r.IntN(4) {
			t.Groups[i].Rules = append(t.Groups[i].Rules, randomRule(r))
		}
	}
	if r.IntN(3) == 0 {
		randomEndpoint(r, t, pick(r, "logs", "s3"))
	}
	return t
}

func randomHost(r *rand.Rand) Host {
	return Host{SubnetID: pick(r, private, public), Private: netip.MustParseAddr("10.0.1.4"), Public: some(r), IPv6: some(r),
		GroupIDs: pick(r, nil, []string{mine}, []string{mine, endpointGroup})}
}

func randomRoute(r *rand.Rand) lamina.Route {
	out := pick(r,
		lamina.Route{CIDR: pick(r, "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "203.0.113.0/24", "192.0.2.0/24", "10.0.1.128/25")},
		lamina.Route{IPv6CIDR: pick(r, "::/0", "2001:db8::/32")},
		lamina.Route{PrefixList: PrefixListID("us-east-1", "s3")})
	switch r.IntN(5) {
	case 0, 1:
		out.Gateway = pick(r, "igw-1", "igw-1", "igw-gone")
	case 2, 3:
		out.NATGateway = pick(r, "nat-1", "nat-1", "nat-gone")
	default:
		out.EgressOnly = "eigw-1"
	}
	return out
}

func randomRule(r *rand.Rand) lamina.SecurityRule {
	out := pick(r, rule(true, 443, ""), rule(true, 80, ""), lamina.SecurityRule{Protocol: "-1"})
	out.Egress = some(r)
	switch r.IntN(4) {
	case 0:
		out.GroupID = pick(r, mine, endpointGroup)
	case 1:
		out.PrefixList = PrefixListID("us-east-1", "s3")
	case 2:
		out.IPv6CIDR = "::/0"
	default:
		out.CIDR = pick(r, "0.0.0.0/0", "10.0.0.0/16", "192.0.2.0/24")
	}
	return out
}

func randomEndpoint(r *rand.Rand, t *Topology, service string) *lamina.VPCEndpoint {
	if service == "s3" && some(r) {
		t.endpoint(service, func(e *lamina.VPCEndpoint) {
			e.Type, e.PrivateDNS, e.RouteTableIDs = gatewayEndpoint, false, []string{pick(r, "rtb-private", "rtb-public")}
			e.SubnetIDs, e.InterfaceIDs, e.GroupIDs = nil, nil, nil
		})
	} else {
		t.endpoint(service, func(e *lamina.VPCEndpoint) { e.PrivateDNS = some(r) })
	}
	return &t.Endpoints[len(t.Endpoints)-1]
}

// more adds a route, an endpoint, a rule or a group, and says whether that may
// take something away.
func more(r *rand.Rand, before *Topology, h Host, service string) (after *Topology, wider Host, excused bool) {
	next := *before
	next.Endpoints, next.Interfaces = slices.Clone(before.Endpoints), slices.Clone(before.Interfaces)
	next.Tables, next.Groups = slices.Clone(before.Tables), slices.Clone(before.Groups)
	switch r.IntN(4) {
	case 0:
		added := randomRoute(r)
		i := r.IntN(len(next.Tables))
		if slices.ContainsFunc(next.Tables[i].Routes, func(o lamina.Route) bool { return o.Destination() == added.Destination() }) {
			return before, h, false // EC2 refuses it
		}
		next.Tables[i].Routes = append(slices.Clone(next.Tables[i].Routes), added)
		excused = wins(&next, next.Tables[i].ID, added, service)
	case 1:
		e := randomEndpoint(r, &next, service)
		e.ID = fmt.Sprint(e.ID, len(next.Endpoints))
		excused = e.PrivateDNS
	case 2:
		i := r.IntN(len(next.Groups))
		next.Groups[i].Rules = append(slices.Clone(next.Groups[i].Rules), randomRule(r))
	default:
		if len(h.GroupIDs) > 0 { // the first one replaces the default group
			h.GroupIDs = append(slices.Clone(h.GroupIDs), "sg-default")
		}
	}
	return &next, h, excused
}

// wins says whether a route that leads nowhere good is the longest match for an
// address on the way to a service.
func wins(t *Topology, table string, added lamina.Route, service string) bool {
	subnets := []string{private, public}
	to := []netip.Addr{publicAddress(service), serviceIPv6}
	for _, n := range t.Interfaces {
		to = append(to, netip.MustParseAddr(n.PrivateIP))
	}
	for _, s := range subnets {
		for _, a := range to {
			if via, ok := t.hop(s, a); ok && via.table.ID == table && via.route == added {
				return via.bits > 0 // a default route takes nothing away
			}
		}
	}
	return false
}

// The exceptions are real: without them the property would not hold.
func TestWhatMoreTakesAway(t *testing.T) {
	reached := throughNAT()
	if !reached.Service(host(), "logs").Reached() {
		t.Fatal("the NAT gateway does not lead to logs")
	}
	check(t, throughNAT().with("rtb-private", lamina.Route{CIDR: "128.0.0.0/1", NATGateway: "nat-gone"}).Service(host(), "logs"), Path{}, "blackhole", nil)
	check(t, throughNAT().endpoint("logs").group(endpointGroup).Service(host(), "logs"), Path{}, "ingress", nil)
}
