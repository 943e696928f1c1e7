package network

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/lamina-dev/lamina"
)

// Filter says which packets of a host's environments get out: the routes judge
// every packet, the rules each new connection, as groups are stateful. What has
// no connection, coming from outside, never gets in.
type Filter struct {
	Resolvers []netip.Addr // where the VPC's name server answers
	Routes    []FilterWay  // the first that covers the destination counts; without one it is dropped
	Rules     []FilterRule // any lets a connection out
}

// FilterWay is what becomes of packets to some addresses.
type FilterWay struct {
	To    netip.Prefix
	Out   bool
	Ports []PortRange // none: all; else only TCP to these gets out
}

// PortRange is a range of ports with both its ends.
type PortRange struct{ First, Last uint16 }

// FilterRule lets connections out to a range of addresses and ports.
type FilterRule struct {
	To       netip.Prefix
	Protocol string // tcp or udp
	PortRange
}

var allPorts = PortRange{0, 65535}

var (
	anywhere     = netip.MustParsePrefix("0.0.0.0/0")
	anywhereIPv6 = netip.MustParsePrefix("::/0")
)

// OpenFilter is for hosts without a VPC: out to the internet, as ordinary
// functions go. They have no IPv6 address.
func OpenFilter() Filter {
	f := Filter{Resolvers: []netip.Addr{Resolver}, Rules: []FilterRule{{anywhere, "tcp", allPorts}, {anywhere, "udp", allPorts}}}
	for _, p := range slices.Concat(nowhere, privateRanges) {
		if p.Addr().Is4() {
			f.Routes = append(f.Routes, FilterWay{To: p})
		}
	}
	f.Routes = append(f.Routes, FilterWay{To: anywhere, Out: true})
	return f
}

// Filter is what Address says, for all addresses at once.
func (t *Topology) Filter(h Host) Filter {
	return Filter{Resolvers: t.resolvers(), Routes: t.filterWays(h), Rules: t.filterRules(h)}
}

// resolvers are the addresses of the VPC's name server: AWS's own and the third
// one of the VPC's range. Routes and groups do not concern them.
func (t *Topology) resolvers() []netip.Addr {
	if !t.VPC.DNSSupport {
		return nil
	}
	out := []netip.Addr{Resolver}
	if p, ok := ParseIPv4(t.VPC.CIDR); ok {
		out = append(out, p.Addr().Next().Next())
	}
	return out
}

// filterWays cuts the addresses along all prefixes that anything of the VPC
// speaks of. Those with the same longest prefix share their fate, so that one of
// them stands for all.
func (t *Topology) filterWays(h Host) []FilterWay {
	cuts := t.cuts(h.IPv6)
	var ways []FilterWay
	for i, p := range cuts {
		if addr, ok := sample(p, cuts[:i]); ok {
			ways = append(ways, t.filterWay(h, p, addr))
		}
	}
	return ways
}

// filterWay says what becomes of a prefix by one of its addresses.
func (t *Topology) filterWay(h Host, p netip.Prefix, addr netip.Addr) FilterWay {
	local, m := t.place(h, addr)
	switch {
	case m != nil:
		return FilterWay{To: p}
	case !local:
		_, m = t.way(h, addr, "")
		return FilterWay{To: p, Out: m == nil}
	}
	i := slices.IndexFunc(t.Interfaces, func(n lamina.NetworkInterface) bool { return n.PrivateIP == addr.String() })
	if i < 0 {
		return FilterWay{To: p}
	}
	ports := t.entrance(h, t.Interfaces[i].GroupIDs)
	return FilterWay{To: p, Out: len(ports) > 0, Ports: ports}
}

// entrance are the TCP ports at which groups let a host in.
func (t *Topology) entrance(h Host, groups []string) []PortRange {
	from := peer{h.Private, t.groupsOf(h)}
	var out []PortRange
	for _, g := range t.Groups {
		if !slices.Contains(groups, g.ID) {
			continue
		}
		for _, r := range g.Rules {
			if ports, ok := tcpPorts(r); ok && !r.Egress && t.coversPeer(r, from) {
				out = append(out, ports)
			}
		}
	}
	return out
}

func tcpPorts(r lamina.SecurityRule) (ports PortRange, ok bool) {
	if r.Protocol == "-1" {
		return allPorts, true
	}
	return portsOf(r), r.Protocol == "tcp" && validPorts(r)
}

// cuts are all prefixes that decide, the longest first; those of IPv6 for hosts
// that have an address of it.
func (t *Topology) cuts(six bool) []netip.Prefix {
	all := slices.Concat(nowhere, privateRanges, ranges(t.VPC.CIDR, t.VPC.IPv6CIDR), []netip.Prefix{anywhere, anywhereIPv6})
	for _, table := range t.Tables {
		for _, r := range table.Routes {
			all = append(all, ranges(r.CIDR, r.IPv6CIDR)...)
		}
	}
	for _, s := range GatewayServices {
		all = append(all, ServiceRanges(s)...)
	}
	for _, n := range t.Interfaces {
		if a, err := netip.ParseAddr(n.PrivateIP); err == nil {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	all = slices.DeleteFunc(all, func(p netip.Prefix) bool { return p.Addr().Is6() && !six })
	for i, p := range all {
		all[i] = p.Masked()
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(b.Bits(), a.Bits()), a.Addr().Compare(b.Addr()))
	})
	return slices.Compact(all)
}

// sample is an address of a prefix that none of the longer ones holds; ok is
// false where they cover it all.
func sample(p netip.Prefix, longer []netip.Prefix) (addr netip.Addr, ok bool) {
	for addr = p.Addr(); p.Contains(addr); {
		// The widest of those that hold the address leads furthest.
		i := -1
		for j, q := range longer {
			if q.Contains(addr) {
				i = j
			}
		}
		if i < 0 {
			return addr, true
		}
		addr = last(longer[i]).Next()
	}
	return netip.Addr{}, false
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // of the length it had
	return a
}

// filterRules are the egress rules of a host's groups. Those that name a group
// stand for the addresses of its members.
func (t *Topology) filterRules(h Host) []FilterRule {
	var out []FilterRule
	for _, g := range t.Groups {
		if !slices.Contains(t.groupsOf(h), g.ID) {
			continue
		}
		for _, r := range g.Rules {
			if r.Egress {
				out = append(out, t.filterRule(r, h.IPv6)...)
			}
		}
	}
	return out
}

func (t *Topology) filterRule(r lamina.SecurityRule, six bool) []FilterRule {
	peers := slices.Concat(ranges(r.CIDR, r.IPv6CIDR), prefixList(t.VPC.Region, r.PrefixList))
	for _, n := range t.Interfaces {
		a, err := netip.ParseAddr(n.PrivateIP)
		if err == nil && r.GroupID != "" && slices.Contains(n.GroupIDs, r.GroupID) {
			peers = append(peers, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	var out []FilterRule
	for _, to := range peers {
		switch {
		case to.Addr().Is6() && !six:
		case r.Protocol == "-1":
			out = append(out, FilterRule{to.Masked(), "tcp", allPorts}, FilterRule{to.Masked(), "udp", allPorts})
		case (r.Protocol == "tcp" || r.Protocol == "udp") && validPorts(r):
			out = append(out, FilterRule{to.Masked(), r.Protocol, portsOf(r)})
		}
	}
	return out
}

func portsOf(r lamina.SecurityRule) PortRange {
	if !validPorts(r) {
		return PortRange{}
	}
	return PortRange{uint16(*r.FromPort), uint16(*r.ToPort)}
}

func validPorts(r lamina.SecurityRule) bool {
	return r.FromPort != nil && r.ToPort != nil && 0 <= *r.FromPort && *r.FromPort <= *r.ToPort && *r.ToPort <= 65535
}
