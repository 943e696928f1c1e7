package network

import (
	"fmt"
	"net/netip"
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
	if f.Resolver {
		line("\t\tip daddr %s meta l4proto { tcp, udp } th dport 53 accept", Resolver)
	}
	line("\t\tmeta nfproto ipv4 meta l4proto { tcp, udp } goto routes")
	line("\t}")
	line("\tchain routes {")
	for _, w := range f.Routes {
		switch {
		case !w.Out:
			line("\t\tip daddr %s drop", w.To)
		case len(w.Ports) > 0:
			for _, p := range w.Ports {
				line("\t\tip daddr %s tcp dport %d-%d goto groups", w.To, p.First, p.Last)
			}
			line("\t\tip daddr %s drop", w.To)
		default:
			line("\t\tip daddr %s goto groups", w.To)
		}
	}
	line("\t}")
	line("\tchain groups {")
	line("\t\tct state established,related goto take")
	line("\t\tct state invalid drop")
	for _, r := range f.Rules {
		line("\t\tip daddr %s %s dport %d-%d goto take", r.To, r.Protocol, r.First, r.Last)
	}
	line("\t}")
	line("\tchain take {")
	for _, protocol := range []string{"tcp", "udp"} {
		line("\t\tmeta l4proto %s tproxy ip to :%d meta mark set %d accept", protocol, RelayPort, RelayMark)
	}
	line("\t}")
	line("}")
	return b.String()
}
