package network

import (
	"net/netip"

	"github.com/lamina-dev/lamina"
)

// NewInterface is an instance's interface in a subnet, with an address that none of
// used has; ok is false when none is free.
func NewInterface(subnet lamina.Subnet, used []lamina.NetworkInterface) (eni lamina.NetworkInterface, ok bool) {
	prefix, ok := ParseIPv4(subnet.CIDR)
	if !ok {
		return lamina.NetworkInterface{}, false
	}
	taken := map[netip.Addr]bool{}
	for _, u := range used {
		if a, err := netip.ParseAddr(u.PrivateIP); err == nil {
			taken[a] = true
		}
	}
	addr, ok := FreeAddress(prefix, taken)
	if !ok {
		return lamina.NetworkInterface{}, false
	}
	id := NewID("eni")
	var public string
	if subnet.PublicIP {
		public = PublicAddress(id).String()
	}
	return lamina.NetworkInterface{
		Scope: subnet.Scope, ID: id, PublicIP: public, SubnetID: subnet.ID, VPCID: subnet.VPCID, Zone: subnet.Zone,
		PrivateIP: addr.String(), IPv6: AssignedIPv6(subnet, id), MAC: MAC(id), InterfaceType: "interface", AttachmentID: NewID("eni-attach"),
	}, true
}
