package network

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// Names are what the VPC's name server knows of its interface endpoints: their
// own names and, with private DNS, the services' (lmi-service.md 8.1). Without
// trailing dots, in lower case.
func (t *Topology) Names() map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	for _, e := range t.Endpoints {
		addrs := t.addresses(e)
		if e.Type == gatewayEndpoint || len(addrs) == 0 {
			continue
		}
		names[EndpointName(e.Region, e.ID, t.short(e.Service))] = addrs
		if e.PrivateDNS && t.VPC.DNSHostnames {
			names[ServiceHost(e.Region, t.short(e.Service))] = addrs
		}
	}
	return names
}

func (t *Topology) addresses(e lamina.VPCEndpoint) []netip.Addr {
	var out []netip.Addr
	for _, n := range t.Interfaces {
		for _, id := range e.InterfaceIDs {
			if a, err := netip.ParseAddr(n.PrivateIP); err == nil && n.ID == id {
				out = append(out, a)
			}
		}
	}
	return out
}

// EndpointName is an interface endpoint's own name.
func EndpointName(region, id, service string) string {
	return id + "-" + id[max(0, len(id)-8):] + "." + service + "." + region + ".vpce.amazonaws.com"
}

// ServiceHost is a service's public name, which an endpoint with private DNS
// takes over. A few services go by another name there; "*." are all names below.
func ServiceHost(region, service string) string {
	switch service {
	case "kinesis-streams":
		service = "kinesis"
	case "ecr.api":
		service = "api.ecr"
	case "ecr.dkr":
		service = "*.dkr.ecr"
	case "execute-api", "s3":
		service = "*." + service
	}
	return service + "." + region + ".amazonaws.com"
}

// Lookup finds a name among Names: itself, else the closest wildcard above it.
func Lookup(names map[string][]netip.Addr, name string) ([]netip.Addr, bool) {
	if addrs, ok := names[name]; ok {
		return addrs, true
	}
	if addrs, ok := names["*."+name]; ok { // an S3 endpoint's wildcard stands for the service's own name too
		return addrs, true
	}
	for _, rest, ok := strings.Cut(name, "."); ok; _, rest, ok = strings.Cut(rest, ".") {
		if addrs, found := names["*."+rest]; found {
			return addrs, true
		}
	}
	return nil, false
}

// ServiceAddress is where a name of AWS's leads on the internet: to the addresses
// that stand for its services, of IPv6 too for the names that have both. ok is
// false for all other names.
func ServiceAddress(name string) (addrs []netip.Addr, ok bool) {
	rest, dual := strings.CutSuffix(name, ".api.aws")
	if !dual {
		if rest, ok = strings.CutSuffix(name, ".amazonaws.com"); !ok {
			return nil, false
		}
	}
	four := serviceIPv4
	for _, label := range strings.Split(rest, ".") {
		dual = dual || label == "dualstack" // s3.dualstack.us-east-1.amazonaws.com
		for _, s := range GatewayServices {
			if label == s || strings.HasPrefix(label, s+"-") {
				four = publicAddress(s)
			}
		}
	}
	if dual {
		return []netip.Addr{four, serviceIPv6}, true
	}
	return []netip.Addr{four}, true
}

// ServiceAddresses are those that stand for the services on the internet.
func ServiceAddresses() []netip.Addr {
	out := []netip.Addr{serviceIPv4, serviceIPv6}
	for _, s := range GatewayServices {
		out = append(out, publicAddress(s))
	}
	return out
}

// EndpointAt is the endpoint that has an interface with this address.
func (t *Topology) EndpointAt(addr netip.Addr) (lamina.VPCEndpoint, bool) {
	for _, e := range t.Endpoints {
		if slices.Contains(t.addresses(e), addr) {
			return e, true
		}
	}
	return lamina.VPCEndpoint{}, false
}
