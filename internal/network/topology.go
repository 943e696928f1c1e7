package network

import (
	"net/netip"
	"slices"

	"github.com/lamina-dev/lamina"
)

// Topology is everything of one VPC that decides what its instances reach.
type Topology struct {
	VPC        lamina.VPC
	Tables     []lamina.RouteTable
	Groups     []lamina.SecurityGroup
	Internet   []lamina.InternetGateway
	EgressOnly []lamina.EgressOnlyGateway
	NAT        []lamina.NATGateway
	Endpoints  []lamina.VPCEndpoint
	Interfaces []lamina.NetworkInterface // those that may be reached, the endpoints' at least
}

// Host is who wants to reach something, by its network interface.
type Host struct {
	SubnetID string
	Private  netip.Addr
	Public   bool     // has a public IPv4 address
	IPv6     bool     // has an IPv6 address
	GroupIDs []string // none: the VPC's default group
}

// HostOf is the host behind an interface.
func HostOf(n lamina.NetworkInterface) Host {
	private, _ := netip.ParseAddr(n.PrivateIP) // an invalid one is in no range
	return Host{SubnetID: n.SubnetID, Private: private, Public: n.PublicIP != "", IPv6: n.IPv6 != "", GroupIDs: n.GroupIDs}
}

// hop is where a route table sends a packet.
type hop struct {
	table    lamina.RouteTable
	bits     int    // length of the destination's prefix
	local    bool   // stays in the VPC
	endpoint string // gateway endpoint
	route    lamina.Route
}

// tableOf is the route table of a subnet: its own, else the main one.
func (t *Topology) tableOf(subnet string) (lamina.RouteTable, bool) {
	bound := func(r lamina.RouteTable) bool {
		return slices.ContainsFunc(r.Associations, func(a lamina.RouteAssociation) bool { return a.SubnetID == subnet })
	}
	i := slices.IndexFunc(t.Tables, bound)
	if i < 0 {
		i = slices.IndexFunc(t.Tables, lamina.RouteTable.Main)
	}
	if i < 0 {
		return lamina.RouteTable{}, false
	}
	return t.Tables[i], true
}

// hop finds where a subnet's packets for an address go: the longest prefix wins,
// and a route by range before one by prefix list.
func (t *Topology) hop(subnet string, to netip.Addr) (best hop, ok bool) {
	best.bits = -1
	table, ok := t.tableOf(subnet)
	offer := func(p netip.Prefix, h hop) {
		if p.Contains(to) && p.Bits() > best.bits {
			h.table, h.bits = table, p.Bits()
			best = h
		}
	}
	for _, r := range ranges(t.VPC.CIDR, t.VPC.IPv6CIDR) {
		offer(r, hop{local: true})
	}
	for _, r := range table.Routes {
		for _, p := range ranges(r.CIDR, r.IPv6CIDR) {
			offer(p, hop{route: r})
		}
	}
	for _, r := range table.Routes {
		for _, p := range prefixList(t.VPC.Region, r.PrefixList) {
			offer(p, hop{route: r})
		}
	}
	for _, e := range t.Endpoints {
		if e.Type == gatewayEndpoint && slices.Contains(e.RouteTableIDs, table.ID) {
			for _, p := range ServiceRanges(t.short(e.Service)) {
				offer(p, hop{endpoint: e.ID})
			}
		}
	}
	return best, ok && best.bits >= 0
}

// ranges reads those that are set; what is malformed matches nothing.
func ranges(cidrs ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, c := range cidrs {
		if p, err := netip.ParsePrefix(c); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// gatewayEndpoint is a type of endpoint, in EC2's words.
const gatewayEndpoint = "Gateway"

// short is a service's name without Amazon and the region.
func (t *Topology) short(service string) string {
	prefix := ServiceName(t.VPC.Region, "")
	if len(service) < len(prefix) {
		return service
	}
	return service[len(prefix):]
}
