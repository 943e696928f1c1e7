package network

import "net/netip"

// GatewayServices are the services with gateway endpoints: routes, no interfaces.
var GatewayServices = []string{"dynamodb", "s3"}

// serviceRanges stand for the real ranges of the services with gateway endpoints
// (chosen: documentation ranges of RFC 5737).
var serviceRanges = map[string]netip.Prefix{
	"s3":       netip.MustParsePrefix("192.0.2.0/25"),
	"dynamodb": netip.MustParsePrefix("192.0.2.128/25"),
}

// Addresses of all other services on the internet (chosen, RFC 5737 and RFC
// 3849): routes and rules that speak of the real ones do not meet them.
var (
	serviceIPv4 = netip.MustParseAddr("203.0.113.1")
	serviceIPv6 = netip.MustParseAddr("2001:db8::1")
)

// ServiceName is the full name of a service's endpoints, e.g. com.amazonaws.us-east-1.logs.
func ServiceName(region, service string) string { return "com.amazonaws." + region + "." + service }

// ServiceRanges are the addresses of a service with gateway endpoints.
func ServiceRanges(service string) []netip.Prefix {
	if r, ok := serviceRanges[service]; ok {
		return []netip.Prefix{r}
	}
	return nil
}

// PrefixListID names those addresses. It follows from region and service, as on
// AWS every account sees the same.
func PrefixListID(region, service string) string {
	return "pl-" + DerivedID("pl", region, ServiceName(region, service))[4:12]
}

// prefixList is the ranges that a list of Amazon's holds.
func prefixList(region, id string) []netip.Prefix {
	for _, s := range GatewayServices {
		if PrefixListID(region, s) == id {
			return ServiceRanges(s)
		}
	}
	return nil
}

// publicAddress is where a service answers on the internet.
func publicAddress(service string) netip.Addr {
	if r, ok := serviceRanges[service]; ok {
		return r.Addr().Next()
	}
	return serviceIPv4
}
