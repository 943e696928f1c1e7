package network

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lamina-dev/lamina"
)

// outward says whether a host reaches an address outside its VPC. service names
// what is there; "" is nothing of AWS.
func (t *Topology) outward(h Host, to netip.AddrPort, service string) Answer {
	path, m := t.way(h, to.Addr(), service)
	if m == nil {
		m = t.leave(h, to.Port(), peer{addr: to.Addr()}, farEnd(to, service))
	}
	if m != nil {
		return lacking(m)
	}
	return Answer{Path: path}
}

// way is a host's way out of its VPC towards an address, by routes and gateways alone.
func (t *Topology) way(h Host, to netip.Addr, service string) (Path, *Missing) {
	if to.Is6() && !h.IPv6 {
		return Path{}, missing("ipv6-address", fmt.Sprintf("subnet %s gave its instances no IPv6 address", h.SubnetID),
			"Let the subnet assign them (aws ec2 modify-subnet-attribute --assign-ipv6-address-on-creation) to instances launched from then on.")
	}
	via, ok := t.hop(h.SubnetID, to)
	if !ok || via.local {
		return Path{}, t.noRoute(h, service)
	}
	return t.exit(h, via, to)
}

func farEnd(to netip.AddrPort, service string) string {
	if service != "" {
		return fmt.Sprintf("the addresses of %s (%s stands for them)", service, to.Addr())
	}
	return to.Addr().String()
}

func (t *Topology) noRoute(h Host, service string) *Missing {
	text := fmt.Sprintf("subnet %s has no route to the internet", h.SubnetID)
	if service == "" {
		return missing("no-route", text, "Add a route to a NAT gateway: aws ec2 create-route.")
	}
	return missing("no-route", fmt.Sprintf("%s, and VPC %s has no endpoint for %s", text, t.VPC.ID, service),
		fmt.Sprintf("Add the endpoint (aws ec2 create-vpc-endpoint --vpc-endpoint-type Interface --service-name %s) or a route to a NAT gateway.", ServiceName(t.VPC.Region, service)))
}

// exit says whether what a route leads to lets a host's packets out.
func (t *Topology) exit(h Host, via hop, to netip.Addr) (Path, *Missing) {
	r := via.route
	switch {
	case via.endpoint != "":
		return Path{GatewayEndpoint, via.endpoint}, nil
	case r.Gateway != "" && t.attached(r.Gateway):
		if to.Is4() && !h.Public {
			return Path{}, missing("public-address", fmt.Sprintf("subnet %s leads to internet gateway %s, but instances there have no public address", h.SubnetID, r.Gateway),
				"Let the subnet give them (aws ec2 modify-subnet-attribute --map-public-ip-on-launch) for instances launched from then on, or route to a NAT gateway.")
		}
		return Path{InternetGateway, r.Gateway}, nil
	case r.NATGateway != "":
		return t.translate(via, to)
	case r.EgressOnly != "" && to.Is4():
		return Path{}, missing("egress-only-ipv4", fmt.Sprintf("egress-only internet gateway %s carries IPv6 alone", r.EgressOnly), "Route to a NAT gateway: aws ec2 replace-route.")
	case r.EgressOnly != "" && slices.ContainsFunc(t.EgressOnly, func(g lamina.EgressOnlyGateway) bool { return g.ID == r.EgressOnly && g.VPCID == t.VPC.ID }):
		return Path{EgressOnlyGateway, r.EgressOnly}, nil
	case r.InterfaceID != "":
		return Path{}, missing("route-target", fmt.Sprintf("route %s of route table %s leads to interface %s, behind which nothing forwards packets", r.Destination(), via.table.ID, r.InterfaceID),
			"Route to a NAT gateway: aws ec2 replace-route.")
	}
	return Path{}, blackhole(via)
}

func blackhole(via hop) *Missing {
	return missing("blackhole", fmt.Sprintf("route %s of route table %s leads to %s, which is gone or detached", via.route.Destination(), via.table.ID, via.route.Target()),
		"Give the route another target: aws ec2 replace-route.")
}

// attached says whether an internet gateway is this VPC's.
func (t *Topology) attached(id string) bool {
	return slices.ContainsFunc(t.Internet, func(g lamina.InternetGateway) bool { return g.ID == id && g.VPCID == t.VPC.ID })
}

// translate says whether a NAT gateway gets packets to the internet, by the
// route table of its own subnet.
func (t *Topology) translate(via hop, to netip.Addr) (Path, *Missing) {
	id := via.route.NATGateway
	i := slices.IndexFunc(t.NAT, func(g lamina.NATGateway) bool { return g.ID == id })
	if i < 0 || !t.NAT[i].Deleted.IsZero() || t.NAT[i].VPCID != t.VPC.ID {
		return Path{}, blackhole(via)
	}
	g := t.NAT[i]
	if to.Is6() {
		return Path{}, missing("nat-ipv6", fmt.Sprintf("NAT gateway %s carries IPv4 alone", id), "Route to an egress-only internet gateway: aws ec2 replace-route.")
	}
	if g.PublicIP == "" {
		return Path{}, missing("nat-private", fmt.Sprintf("NAT gateway %s is private and does not lead to the internet", id), "Route to a public NAT gateway: aws ec2 replace-route.")
	}
	next, ok := t.hop(g.SubnetID, to)
	switch {
	case ok && next.endpoint != "", ok && next.route.Gateway != "" && t.attached(next.route.Gateway):
		return Path{NATGateway, id}, nil
	case ok && !next.local && next.route.Gateway != "":
		return Path{}, blackhole(next)
	}
	return Path{}, missing("nat-subnet", fmt.Sprintf("NAT gateway %s is in subnet %s, which has no route to an internet gateway", id, g.SubnetID),
		"Route that subnet to an internet gateway: aws ec2 create-route.")
}
