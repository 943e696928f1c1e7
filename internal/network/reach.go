package network

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lamina-dev/lamina"
)

// https is the port of every AWS service.
const https = 443

// Answer says how something is reached, or what is missing.
type Answer struct {
	Path    Path
	Missing *Missing // nil: it is reached
}

// Reached says whether there is a path.
func (a Answer) Reached() bool { return a.Missing == nil }

// Path is the way out of a subnet: a kind and the resource that leads there.
type Path struct {
	Kind PathKind
	ID   string // "" within the VPC
}

// PathKind is what a path leads through.
type PathKind string

// The kinds of paths.
const (
	WithinVPC         PathKind = "vpc"
	InterfaceEndpoint PathKind = "interface-endpoint"
	GatewayEndpoint   PathKind = "gateway-endpoint"
	InternetGateway   PathKind = "internet-gateway"
	NATGateway        PathKind = "nat-gateway"
	EgressOnlyGateway PathKind = "egress-only-gateway"
)

// Missing is the one thing that would have to be otherwise: a word to rely on,
// a sentence without its full stop, and what to do.
type Missing struct {
	Code, Text, Remedy string
}

func missing(code, text, remedy string) *Missing { return &Missing{code, text, remedy} }

func lacking(m *Missing) Answer { return Answer{Missing: m} }

// Service says whether a host reaches an AWS service (logs, s3, ecr.api …) by
// its public name. A private name of an endpoint takes that over; without one
// the way leads over a gateway endpoint or the internet (lmi-service.md 8.1).
func (t *Topology) Service(h Host, service string) Answer {
	if !t.VPC.DNSSupport {
		return lacking(missing("dns", fmt.Sprintf("VPC %s has no DNS support, so that names of services can't be resolved", t.VPC.ID),
			"aws ec2 modify-vpc-attribute --enable-dns-support."))
	}
	endpoint, flaw := t.named(h, service)
	if endpoint != nil {
		return t.throughEndpoint(h, *endpoint)
	}
	out := t.outward(h, netip.AddrPortFrom(publicAddress(service), https), service)
	if out.Reached() {
		return out
	}
	if h.IPv6 {
		if six := t.outward(h, netip.AddrPortFrom(serviceIPv6, https), service); six.Reached() {
			return six
		}
	}
	if flaw != nil {
		return lacking(flaw)
	}
	return out
}

// named finds the endpoint that answers to the service's public name, or what
// keeps the VPC's endpoint for the service from being of use.
func (t *Topology) named(h Host, service string) (*lamina.VPCEndpoint, *Missing) {
	var flaw *Missing
	for i := range t.Endpoints {
		e := &t.Endpoints[i]
		if t.short(e.Service) != service {
			continue
		}
		switch {
		case e.Type == gatewayEndpoint:
			if table, _ := t.tableOf(h.SubnetID); !slices.Contains(e.RouteTableIDs, table.ID) {
				flaw = missing("endpoint-table", fmt.Sprintf("endpoint %s is not in route table %s of subnet %s", e.ID, table.ID, h.SubnetID),
					fmt.Sprintf("aws ec2 modify-vpc-endpoint --vpc-endpoint-id %s --add-route-table-ids %s.", e.ID, table.ID))
			}
		case !e.PrivateDNS:
			flaw = missing("private-dns", fmt.Sprintf("endpoint %s has no private DNS, so that the name of %s does not lead to it", e.ID, service),
				fmt.Sprintf("aws ec2 modify-vpc-endpoint --vpc-endpoint-id %s --private-dns-enabled.", e.ID))
		case !t.VPC.DNSHostnames:
			flaw = missing("dns-hostnames", fmt.Sprintf("VPC %s has no DNS host names, so that the name of %s does not lead to endpoint %s", t.VPC.ID, service, e.ID),
				"aws ec2 modify-vpc-attribute --enable-dns-hostnames.")
		default:
			return e, nil
		}
	}
	return nil, flaw
}

// throughEndpoint says whether a host reaches one of an endpoint's interfaces.
func (t *Topology) throughEndpoint(h Host, e lamina.VPCEndpoint) Answer {
	first := missing("endpoint-subnets", fmt.Sprintf("endpoint %s is in no subnet, so that nothing answers there", e.ID),
		fmt.Sprintf("aws ec2 modify-vpc-endpoint --vpc-endpoint-id %s --add-subnet-ids.", e.ID))
	found := false
	for _, n := range t.Interfaces {
		if !slices.Contains(e.InterfaceIDs, n.ID) {
			continue
		}
		m := t.toInterface(h, n, https, "endpoint "+e.ID)
		if m == nil {
			return Answer{Path: Path{InterfaceEndpoint, e.ID}}
		}
		if !found {
			first, found = m, true
		}
	}
	return lacking(first)
}

// toInterface says what keeps a host from an interface of the same VPC.
func (t *Topology) toInterface(h Host, n lamina.NetworkInterface, port uint16, what string) *Missing {
	addr, err := netip.ParseAddr(n.PrivateIP)
	if err != nil {
		return missing("address", fmt.Sprintf("%s has no address", what), "")
	}
	if via, ok := t.hop(h.SubnetID, addr); ok && !via.local {
		return missing("route", fmt.Sprintf("route %s of route table %s leads packets for %s out of the VPC", via.route.Destination(), via.table.ID, what),
			"Delete that route: aws ec2 delete-route.")
	}
	if m := t.leave(h, port, peer{addr, n.GroupIDs}, what); m != nil {
		return m
	}
	return t.enter(h, port, n.GroupIDs, what)
}

// Address says whether a host reaches a TCP port of an address. The instance
// metadata address is out of reach always, as for every function (issue 3).
func (t *Topology) Address(h Host, to netip.AddrPort) Answer {
	local, m := t.place(h, to.Addr())
	switch {
	case m != nil:
		return lacking(m)
	case local:
		return t.inside(h, to)
	}
	return t.outward(h, to, "")
}

// place says whether an address is the VPC's own or the internet's; neither is
// what no function ever reaches.
func (t *Topology) place(h Host, addr netip.Addr) (local bool, m *Missing) {
	if within(nowhere, addr) {
		return false, missing("no-such-address", fmt.Sprintf("%s is no address that functions reach", addr), "")
	}
	if via, ok := t.hop(h.SubnetID, addr); ok && via.local {
		return true, nil
	}
	if within(privateRanges, addr) {
		return false, missing("private", fmt.Sprintf("%s is a private address outside VPC %s", addr, t.VPC.ID), "")
	}
	return false, nil
}

// inside says whether a host reaches an address of its VPC.
func (t *Topology) inside(h Host, to netip.AddrPort) Answer {
	for _, n := range t.Interfaces {
		if n.PrivateIP != to.Addr().String() {
			continue
		}
		if m := t.toInterface(h, n, to.Port(), "interface "+n.ID); m != nil {
			return lacking(m)
		}
		return Answer{Path: Path{Kind: WithinVPC}}
	}
	return lacking(missing("no-such-address", fmt.Sprintf("nothing in VPC %s has the address %s", t.VPC.ID, to.Addr()), ""))
}
