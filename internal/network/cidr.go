package network

import (
	"math/big"
	"net/netip"
)

// Bounds of the ranges EC2 accepts for VPCs and subnets.
const (
	MinIPv4Bits    = 16
	MaxIPv4Bits    = 28
	VPCIPv6Bits    = 56
	SubnetIPv6Bits = 64
)

// reservedAddresses is how many addresses of an IPv4 subnet nobody gets: the
// network, the router, the name server, one for the future, and broadcast.
const reservedAddresses = 5

// ParseIPv4 reads an IPv4 range. Host bits are cleared, as EC2 does.
func ParseIPv4(cidr string) (netip.Prefix, bool) { return parse(cidr, true) }

// ParseIPv6 reads an IPv6 range. Host bits are cleared, as EC2 does.
func ParseIPv6(cidr string) (netip.Prefix, bool) { return parse(cidr, false) }

func parse(cidr string, v4 bool) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p.Addr().Is4() != v4 {
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}

// ValidSize says whether EC2 accepts an IPv4 range of this size.
func ValidSize(p netip.Prefix) bool {
	return p.Bits() >= MinIPv4Bits && p.Bits() <= MaxIPv4Bits
}

// Within says whether inner lies wholly inside outer.
func Within(inner, outer netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// Size is the number of an IPv4 subnet's addresses that can be given away.
func Size(subnet netip.Prefix) int {
	return max(0, 1<<(32-subnet.Bits())-reservedAddresses)
}

// Usable says whether addr is one of the subnet's addresses and not reserved.
func Usable(subnet netip.Prefix, addr netip.Addr) bool {
	if !subnet.Contains(addr) || !addr.Is4() {
		return false
	}
	first := toUint(subnet.Masked().Addr())
	last := first + 1<<(32-subnet.Bits()) - 1
	n := toUint(addr)
	return n >= first+4 && n < last
}

// FreeAddress is the lowest address of an IPv4 subnet that is neither reserved
// nor used; ok is false when there is none.
func FreeAddress(subnet netip.Prefix, used map[netip.Addr]bool) (addr netip.Addr, ok bool) {
	first := toUint(subnet.Masked().Addr()) + 4
	for i := range Size(subnet) {
		if a := fromUint(first + uint64(i)); !used[a] {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// Nth is the n-th range of the given size inside outer; ok is false beyond its end.
func Nth(outer netip.Prefix, bits, n int) (p netip.Prefix, ok bool) {
	total := outer.Addr().BitLen()
	if bits < outer.Bits() || bits > total || big.NewInt(int64(n)).BitLen() > bits-outer.Bits() {
		return netip.Prefix{}, false
	}
	v := new(big.Int).SetBytes(outer.Masked().Addr().AsSlice())
	v.Add(v, new(big.Int).Lsh(big.NewInt(int64(n)), uint(total-bits)))
	addr, _ := netip.AddrFromSlice(v.FillBytes(make([]byte, total/8)))
	return netip.PrefixFrom(addr, bits), true
}

func toUint(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
}

func fromUint(n uint64) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
