package network

import (
	"net/netip"
	"slices"
)

// nowhere are addresses that no function reaches, the instance metadata
// service's (169.254.169.254, fd00:ec2::254) among them.
var nowhere = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"::/128", "::1/128", "fe80::/10", "ff00::/8", "fd00:ec2::/32",
	"::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", // have an IPv4 address inside
)

// privateRanges are addresses that belong to a VPC or to nobody a function reaches:
// RFC 1918, RFC 6598, RFC 4193 and, before that, RFC 3879. The last but two is the metadata service of
// machines at Azure, on which Lamina may run.
var privateRanges = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "168.63.129.16/32", "fc00::/7", "fec0::/10")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

func within(list []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) || p.Contains(addr.Unmap()) })
}

// Outside says whether an address can be on the internet: neither one that no
// function reaches nor a private one.
func Outside(addr netip.Addr) bool { return !within(nowhere, addr) && !within(privateRanges, addr) }
