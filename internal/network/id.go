package network

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lamina-dev/lamina"
)

// idDigits is the length of the part after the dash in an id of EC2.
const idDigits = 17

// NewID makes an id as EC2 does, such as vpc-0a1b2c3d4e5f67890 for prefix "vpc".
func NewID(prefix string) string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails
	return format(prefix, b[:])
}

// DerivedID makes the id that belongs to the parts: the same one each time.
func DerivedID(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(prefix + "\x00" + strings.Join(parts, "\x00")))
	return format(prefix, sum[:])
}

// format begins the digits with a zero, as all of EC2's long ids do.
func format(prefix string, b []byte) string {
	return prefix + "-0" + hex.EncodeToString(b)[:idDigits-1]
}

// MAC is the hardware address of the interface with this id, marked as locally
// administered.
func MAC(interfaceID string) string {
	sum := sha256.Sum256([]byte(interfaceID))
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3], sum[4])
}

// PrivateName is the host name EC2 gives to a private IPv4 address.
func PrivateName(region string, addr netip.Addr) string {
	return "ip-" + strings.ReplaceAll(addr.String(), ".", "-") + "." + Domain(region)
}

// Domain is the domain of a region's private host names.
func Domain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

// PublicName is the host name EC2 gives to a public IPv4 address.
func PublicName(region, addr string) string {
	name := "ec2-" + strings.ReplaceAll(addr, ".", "-")
	if region == "us-east-1" {
		return name + ".compute-1.amazonaws.com"
	}
	return name + "." + region + ".compute.amazonaws.com"
}

// publicAddresses are those that subnets give to instances; Elastic IP addresses
// come from below them (chosen: RFC 2544's range, which nobody routes).
var publicAddresses = netip.MustParsePrefix("198.19.0.0/16")

// AssignedIPv6 is the address that an interface is given by a subnet which assigns
// IPv6 ones, the same one each time; "" by one that does not.
func AssignedIPv6(s lamina.Subnet, interfaceID string) string {
	p, ok := ParseIPv6(s.IPv6CIDR)
	if !s.AssignIPv6 || !ok {
		return ""
	}
	a, sum := p.Addr().As16(), sha256.Sum256([]byte(interfaceID))
	copy(a[SubnetIPv6Bits/8:], sum[:])
	return netip.AddrFrom16(a).String()
}

// PublicAddress is the address that an interface is given by a subnet that maps
// public ones: the same one each time.
func PublicAddress(interfaceID string) netip.Addr {
	sum := sha256.Sum256([]byte(interfaceID))
	a := publicAddresses.Addr().As4()
	a[2], a[3] = sum[0], sum[1]
	return netip.AddrFrom4(a)
}
