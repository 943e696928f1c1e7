package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// What an instance's network namespace has at fixed places, as nobody else is there.
const (
	RelayPort = 15001 // where connections are taken over, whatever their destination (chosen)
	RelayMark = 1     // of the packets that go there, by a routing rule of their own
)

// Resolver is the VPC's name server (AWS's own link-local address for it).
var Resolver = netip.MustParseAddr("169.254.169.253")

// Nftables is the filter in the words of `nft -f`: one transaction that takes
// the place of the one before it. Connections that stand are known to the
// kernel, not to the rules, and go on where routes still lead.
func (f Filter) Nftables() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("table inet lamina")
	line("delete table inet lamina")
	line("table inet lamina {")
	line("\tchain arrive {")
	line("\t\ttype filter hook prerouting priority mangle; policy drop;")
	line("\t\tiifname lo accept")
	for _, a := range f.Resolvers {
		line("\t\tip daddr %s meta l4proto { tcp, udp } th dport 53 accept", a)
	}
	// Also where nothing of IPv6 is routed: an environment that had found no
	// neighbour would for a while not look for one when a route is added.
	line("\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept")
	line("\t\tmeta l4proto { tcp, udp } goto routes")
	line("\t}")
	f.resolve(line)
	line("\tchain routes {")
	for _, w := range f.Routes {
		switch {
		case !w.Out:
			line("\t\t%s drop", daddr(w.To))
		case len(w.Ports) > 0:
			for _, p := range w.Ports {
				line("\t\t%s tcp dport %d-%d goto groups", daddr(w.To), p.First, p.Last)
			}
			line("\t\t%s drop", daddr(w.To))
		default:
			line("\t\t%s goto groups", daddr(w.To))
		}
	}
	line("\t}")
	line("\tchain groups {")
	line("\t\tct state established,related goto take")
	line("\t\tct state invalid drop")
	for _, r := range f.Rules {
		line("\t\t%s %s dport %d-%d goto take", daddr(r.To), r.Protocol, r.First, r.Last)
	}
	line("\t}")
	line("\tchain take {")
	for _, protocol := range []string{"tcp", "udp"} {
		line("\t\tmeta l4proto %s tproxy ip to :%d meta mark set %d accept", protocol, RelayPort, RelayMark)
		if f.six() {
			line("\t\tmeta l4proto %s tproxy ip6 to :%d meta mark set %d accept", protocol, RelayPort, RelayMark)
		}
	}
	line("\t}")
	line("}")
	return b.String()
}

// six says whether any of it is about IPv6.
func (f Filter) six() bool {
	return slices.ContainsFunc(f.Routes, func(w FilterWay) bool { return w.To.Addr().Is6() })
}

// resolve has the name server, which listens at one address, answer at the others too.
func (f Filter) resolve(line func(format string, args ...any)) {
	others := slices.DeleteFunc(slices.Clone(f.Resolvers), func(a netip.Addr) bool { return a == Resolver })
	if len(others) == 0 {
		return
	}
	line("\tchain resolve {")
	line("\t\ttype nat hook prerouting priority dstnat;")
	for _, a := range others {
		line("\t\tip daddr %s meta l4proto { tcp, udp } th dport 53 dnat ip to %s", a, Resolver)
	}
	line("\t}")
}

func daddr(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "ip6 daddr " + p.String()
	}
	return "ip daddr " + p.String()
}
