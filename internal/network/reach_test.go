package network

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
)

// A VPC as people begin: one subnet for functions, one for a NAT gateway, a
// group that lets everything out, and a main table that leads nowhere.
const (
	private, public     = "subnet-private", "subnet-public"
	mine, endpointGroup = "sg-mine", "sg-endpoint"
)

func isolated() *Topology {
	return &Topology{
		VPC:    lamina.VPC{Scope: lamina.Scope{Region: "us-east-1"}, ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true},
		Tables: []lamina.RouteTable{{ID: "rtb-main", VPCID: "vpc-1", Associations: []lamina.RouteAssociation{{Main: true}}}},
		Groups: []lamina.SecurityGroup{
			{ID: "sg-default", Name: "default", Rules: []lamina.SecurityRule{everywhere()}},
			{ID: mine, Name: "mine", Rules: []lamina.SecurityRule{everywhere()}},
			{ID: endpointGroup, Name: "endpoint", Rules: []lamina.SecurityRule{rule(false, 443, "10.0.0.0/16")}},
		},
	}
}

func everywhere() lamina.SecurityRule {
	return lamina.SecurityRule{Egress: true, Protocol: "-1", CIDR: "0.0.0.0/0"}
}

func rule(egress bool, port int32, cidr string) lamina.SecurityRule {
	return lamina.SecurityRule{Egress: egress, Protocol: "tcp", FromPort: &port, ToPort: &port, CIDR: cidr}
}

// table gives subnets a route table of their own.
func (t *Topology) table(id string, routes []lamina.Route, subnets ...string) *Topology {
	r := lamina.RouteTable{ID: id, VPCID: t.VPC.ID, Routes: routes}
	for _, s := range subnets {
		r.Associations = append(r.Associations, lamina.RouteAssociation{SubnetID: s})
	}
	t.Tables = append(t.Tables, r)
	return t
}

func (t *Topology) internet() *Topology {
	t.Internet = append(t.Internet, lamina.InternetGateway{ID: "igw-1", VPCID: t.VPC.ID})
	return t
}

func (t *Topology) nat() *Topology {
	t.NAT = append(t.NAT, lamina.NATGateway{ID: "nat-1", VPCID: t.VPC.ID, SubnetID: public, PublicIP: "198.18.0.4"})
	return t
}

// endpoint adds one with an interface in the private subnet.
func (t *Topology) endpoint(service string, change ...func(*lamina.VPCEndpoint)) *Topology {
	e := lamina.VPCEndpoint{ID: "vpce-" + service, VPCID: t.VPC.ID, Service: ServiceName(t.VPC.Region, service), Type: "Interface",
		SubnetIDs: []string{private}, InterfaceIDs: []string{"eni-" + service}, GroupIDs: []string{endpointGroup}, PrivateDNS: true}
	for _, c := range change {
		c(&e)
	}
	t.Endpoints = append(t.Endpoints, e)
	t.Interfaces = append(t.Interfaces, lamina.NetworkInterface{ID: "eni-" + service, SubnetID: private, PrivateIP: "10.0.1.200", GroupIDs: e.GroupIDs})
	return t
}

func (t *Topology) group(id string, rules ...lamina.SecurityRule) *Topology {
	for i := range t.Groups {
		if t.Groups[i].ID == id {
			t.Groups[i].Rules = rules
		}
	}
	return t
}

func (t *Topology) vpc(change func(*lamina.VPC)) *Topology { change(&t.VPC); return t }

func to(target string) lamina.Route {
	r := lamina.Route{CIDR: "0.0.0.0/0"}
	switch {
	case strings.HasPrefix(target, "nat-"):
		r.NATGateway = target
	case strings.HasPrefix(target, "eni-"):
		r.InterfaceID = target
	default:
		r.Gateway = target
	}
	return r
}

func throughNAT() *Topology {
	return isolated().internet().nat().table("rtb-private", []lamina.Route{to("nat-1")}, private).table("rtb-public", []lamina.Route{to("igw-1")}, public)
}

func throughInternet() *Topology {
	return isolated().internet().table("rtb-public", []lamina.Route{to("igw-1")}, private, public)
}

func host(change ...func(*Host)) Host {
	h := Host{SubnetID: private, Private: netip.MustParseAddr("10.0.1.4"), GroupIDs: []string{mine}}
	for _, c := range change {
		c(&h)
	}
	return h
}

func withPublicAddress(h *Host) { h.Public = true }
func withIPv6(h *Host)          { h.IPv6 = true }

func TestService(t *testing.T) {
	s3 := PrefixListID("us-east-1", "s3")
	six := func(v *lamina.VPC) { v.IPv6CIDR = "2600:1f00::/56" }
	gateway := func(tables ...string) func(*lamina.VPCEndpoint) {
		return func(e *lamina.VPCEndpoint) {
			e.Type, e.RouteTableIDs, e.SubnetIDs, e.InterfaceIDs, e.GroupIDs = gatewayEndpoint, tables, nil, nil, nil
		}
	}
	for name, c := range map[string]struct {
		in      *Topology
		from    Host
		service string // "": logs
		path    Path
		missing string   // the code
		says    []string // parts of the text
	}{
		// The five layouts people use.
		"public":      {in: throughInternet(), from: host(withPublicAddress), path: Path{InternetGateway, "igw-1"}},
		"NAT":         {in: throughNAT(), from: host(), path: Path{NATGateway, "nat-1"}},
		"endpoint":    {in: isolated().endpoint("logs"), from: host(), path: Path{InterfaceEndpoint, "vpce-logs"}},
		"isolated":    {in: isolated(), from: host(), missing: "no-route", says: []string{"subnet-private has no route to the internet", "vpc-1 has no endpoint for logs"}},
		"wrong group": {in: throughNAT().group(mine, rule(true, 80, "0.0.0.0/0")), from: host(), missing: "egress", says: []string{"security group sg-mine allows no outgoing HTTPS"}},

		// Each thing that can be missing.
		"no public address":       {in: throughInternet(), from: host(), missing: "public-address", says: []string{"subnet-private", "igw-1", "no public address"}},
		"gateway detached":        {in: isolated().table("rtb-public", []lamina.Route{to("igw-1")}, private), from: host(withPublicAddress), missing: "blackhole", says: []string{"0.0.0.0/0", "rtb-public", "igw-1"}},
		"NAT without a route":     {in: isolated().internet().nat().table("rtb-private", []lamina.Route{to("nat-1")}, private), from: host(), missing: "nat-subnet", says: []string{"nat-1 is in subnet subnet-public", "no route to an internet gateway"}},
		"NAT behind itself":       {in: isolated().nat().table("rtb-private", []lamina.Route{to("nat-1")}, private, public), from: host(), missing: "nat-subnet"},
		"NAT's gateway detached":  {in: isolated().nat().table("rtb-private", []lamina.Route{to("nat-1")}, private).table("rtb-public", []lamina.Route{to("igw-9")}, public), from: host(), missing: "blackhole", says: []string{"rtb-public", "igw-9"}},
		"NAT deleted":             {in: deletedNAT(), from: host(), missing: "blackhole", says: []string{"rtb-private", "nat-1"}},
		"NAT private":             {in: privateNAT(), from: host(), missing: "nat-private", says: []string{"nat-1"}},
		"route to an interface":   {in: isolated().table("rtb-private", []lamina.Route{to("eni-1")}, private), from: host(), missing: "route-target", says: []string{"eni-1"}},
		"other table":             {in: isolated().internet().table("rtb-public", []lamina.Route{to("igw-1")}, public), from: host(withPublicAddress), missing: "no-route"},
		"no names":                {in: throughNAT().vpc(func(v *lamina.VPC) { v.DNSSupport = false }), from: host(), missing: "dns", says: []string{"vpc-1 has no DNS support"}},
		"endpoint refuses":        {in: isolated().endpoint("logs").group(endpointGroup), from: host(), missing: "ingress", says: []string{"security group sg-endpoint of endpoint vpce-logs", "443", "sg-mine"}},
		"endpoint takes over":     {in: throughNAT().endpoint("logs").group(endpointGroup), from: host(), missing: "ingress"},
		"endpoint has no DNS":     {in: isolated().endpoint("logs", func(e *lamina.VPCEndpoint) { e.PrivateDNS = false }), from: host(), missing: "private-dns", says: []string{"vpce-logs"}},
		"VPC has no host names":   {in: isolated().endpoint("logs").vpc(func(v *lamina.VPC) { v.DNSHostnames = false }), from: host(), missing: "dns-hostnames", says: []string{"vpc-1", "vpce-logs"}},
		"endpoint in no subnet":   {in: isolated().endpoint("logs", func(e *lamina.VPCEndpoint) { e.InterfaceIDs = nil }), from: host(), missing: "endpoint-subnets"},
		"endpoint out of range":   {in: isolated().endpoint("logs").group(mine, rule(true, 443, "10.0.2.0/24")), from: host(), missing: "egress", says: []string{"sg-mine allows outgoing HTTPS", "not to endpoint vpce-logs"}},
		"endpoint routed away":    {in: isolated().internet().endpoint("logs").table("rtb-p", []lamina.Route{{CIDR: "10.0.1.0/24", Gateway: "igw-1"}}, private), from: host(), missing: "route", says: []string{"10.0.1.0/24", "rtb-p"}},
		"endpoint for others":     {in: isolated().endpoint("sqs"), from: host(), missing: "no-route"},
		"two groups":              {in: throughNAT().group(mine).group("sg-default"), from: host(func(h *Host) { h.GroupIDs = []string{mine, "sg-default"} }), missing: "egress", says: []string{"security groups sg-mine, sg-default allow no"}},
		"no group is the default": {in: throughNAT().group("sg-default"), from: host(func(h *Host) { h.GroupIDs = nil }), missing: "egress", says: []string{"sg-default"}},
		"blackhole is longer":     {in: throughNAT().table("rtb-x", nil).with("rtb-private", lamina.Route{CIDR: "203.0.113.0/24", NATGateway: "nat-9"}), from: host(), missing: "blackhole", says: []string{"203.0.113.0/24", "nat-9"}},

		// What else leads there.
		"one of two groups":        {in: throughNAT().group(mine), from: host(func(h *Host) { h.GroupIDs = []string{mine, "sg-default"} }), path: Path{NATGateway, "nat-1"}},
		"endpoint by group":        {in: isolated().endpoint("logs").group(endpointGroup, lamina.SecurityRule{Protocol: "-1", GroupID: mine}).group(mine, lamina.SecurityRule{Egress: true, Protocol: "-1", GroupID: endpointGroup}), from: host(), path: Path{InterfaceEndpoint, "vpce-logs"}},
		"useless endpoint and NAT": {in: throughNAT().endpoint("logs", func(e *lamina.VPCEndpoint) { e.PrivateDNS = false }), from: host(), path: Path{NATGateway, "nat-1"}},
		"egress only":              {in: egressOnly().vpc(six), from: host(withIPv6), path: Path{EgressOnlyGateway, "eigw-1"}},
		"egress only, no IPv6":     {in: egressOnly().vpc(six), from: host(), missing: "no-route"},
		"IPv6 and internet":        {in: isolated().internet().vpc(six).table("rtb-6", []lamina.Route{{IPv6CIDR: "::/0", Gateway: "igw-1"}}, private).group(mine, lamina.SecurityRule{Egress: true, Protocol: "-1", IPv6CIDR: "::/0"}), from: host(withIPv6), path: Path{InternetGateway, "igw-1"}},
		"s3 gateway":               {in: isolated().endpoint("s3", gateway("rtb-main")), service: "s3", from: host(), path: Path{GatewayEndpoint, "vpce-s3"}},
		"s3 gateway by list":       {in: isolated().endpoint("s3", gateway("rtb-main")).group(mine, lamina.SecurityRule{Egress: true, Protocol: "-1", PrefixList: s3}), service: "s3", from: host(), path: Path{GatewayEndpoint, "vpce-s3"}},
		"s3 gateway elsewhere":     {in: isolated().endpoint("s3", gateway("rtb-9")), service: "s3", from: host(), missing: "endpoint-table", says: []string{"vpce-s3", "rtb-main", private}},
		"s3 gateway, group":        {in: isolated().endpoint("s3", gateway("rtb-main")).group(mine, rule(true, 443, "10.0.0.0/8")), service: "s3", from: host(), missing: "egress", says: []string{"not to the addresses of s3"}},
		"s3 gateway before NAT":    {in: throughNAT().endpoint("s3", gateway("rtb-private")), service: "s3", from: host(), path: Path{GatewayEndpoint, "vpce-s3"}},
		"s3 gateway is not logs":   {in: isolated().endpoint("s3", gateway("rtb-main")), from: host(), missing: "no-route"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.service == "" {
				c.service = "logs"
			}
			check(t, c.in.Service(c.from, c.service), c.path, c.missing, c.says)
		})
	}
}

func check(t *testing.T, got Answer, path Path, code string, says []string) {
	t.Helper()
	switch {
	case code == "" && (!got.Reached() || got.Path != path):
		t.Errorf("got %+v, missing %+v; want the path %+v", got.Path, got.Missing, path)
	case code != "" && (got.Reached() || got.Missing.Code != code):
		t.Errorf("got %+v, missing %+v; want %s missing", got.Path, got.Missing, code)
	case code != "":
		for _, part := range says {
			if !strings.Contains(got.Missing.Text, part) {
				t.Errorf("%q does not say %q", got.Missing.Text, part)
			}
		}
	}
}

// with adds routes to a table.
func (t *Topology) with(table string, routes ...lamina.Route) *Topology {
	i := slices.IndexFunc(t.Tables, func(r lamina.RouteTable) bool { return r.ID == table })
	t.Tables[i].Routes = append(slices.Clone(t.Tables[i].Routes), routes...)
	return t
}

func deletedNAT() *Topology {
	t := throughNAT()
	t.NAT[0].Deleted = time.Unix(1, 0)
	return t
}

func privateNAT() *Topology {
	t := throughNAT()
	t.NAT[0].PublicIP = ""
	return t
}

func egressOnly() *Topology {
	t := isolated().table("rtb-6", []lamina.Route{{IPv6CIDR: "::/0", EgressOnly: "eigw-1"}}, private)
	t.EgressOnly = []lamina.EgressOnlyGateway{{ID: "eigw-1", VPCID: t.VPC.ID}}
	return t.group(mine, lamina.SecurityRule{Egress: true, Protocol: "-1", IPv6CIDR: "::/0"})
}

func TestAddress(t *testing.T) {
	database := func(rules ...lamina.SecurityRule) *Topology {
		t := throughNAT()
		t.Groups = append(t.Groups, lamina.SecurityGroup{ID: "sg-db", Rules: rules})
		t.Interfaces = append(t.Interfaces, lamina.NetworkInterface{ID: "eni-db", SubnetID: public, PrivateIP: "10.0.2.9", GroupIDs: []string{"sg-db"}})
		return t
	}
	six := []lamina.Route{{IPv6CIDR: "::/0", NATGateway: "nat-1"}}
	for name, c := range map[string]struct {
		in      *Topology
		from    Host
		to      string
		path    Path
		missing string
	}{
		"IPv6":              {in: egressOnly(), from: host(withIPv6), to: "[2606:2800::1]:80", path: Path{EgressOnlyGateway, "eigw-1"}},
		"IPv6, no address":  {in: egressOnly(), to: "[2606:2800::1]:80", missing: "ipv6-address"},
		"IPv6, no rule":     {in: egressOnly().group(mine, everywhere()), from: host(withIPv6), to: "[2606:2800::1]:80", missing: "egress"},
		"IPv6, no route":    {in: throughNAT(), from: host(withIPv6), to: "[2606:2800::1]:80", missing: "no-route"},
		"IPv6 by NAT":       {in: throughNAT().with("rtb-private", six...), from: host(withIPv6), to: "[2606:2800::1]:80", missing: "nat-ipv6"},
		"IPv4, egress only": {in: egressOnly().with("rtb-6", lamina.Route{CIDR: "0.0.0.0/0", EgressOnly: "eigw-1"}), to: "93.184.216.34:80", missing: "egress-only-ipv4"},
		"IPv6 neighbour":    {in: egressOnly().vpc(func(v *lamina.VPC) { v.IPv6CIDR = "2600:1f00::/56" }), from: host(withIPv6), to: "[2600:1f00::9]:80", missing: "no-such-address"},
		"IPv6 private":      {in: egressOnly(), from: host(withIPv6), to: "[fd12::9]:80", missing: "private"},
		"IPv6 metadata":     {in: egressOnly(), from: host(withIPv6), to: "[fd00:ec2::254]:80", missing: "no-such-address"},
		"IPv4 in IPv6":      {in: egressOnly(), from: host(withIPv6), to: "[::ffff:93.184.216.34]:80", missing: "no-such-address"},
		"internet":          {in: throughNAT(), to: "93.184.216.34:80", path: Path{NATGateway, "nat-1"}},
		"internet, no way":  {in: isolated(), to: "93.184.216.34:80", missing: "no-route"},
		"port":              {in: throughNAT().group(mine, rule(true, 443, "0.0.0.0/0")), to: "93.184.216.34:80", missing: "egress"},
		"database":          {in: database(rule(false, 5432, "10.0.1.0/24")), to: "10.0.2.9:5432", path: Path{WithinVPC, ""}},
		"database refuses":  {in: database(rule(false, 5432, "10.0.9.0/24")), to: "10.0.2.9:5432", missing: "ingress"},
		"nobody there":      {in: database(), to: "10.0.2.10:5432", missing: "no-such-address"},
		"other network":     {in: throughNAT(), to: "192.168.0.1:443", missing: "private"},
		"instance metadata": {in: throughNAT(), to: "169.254.169.254:80", missing: "no-such-address"},
		"loopback":          {in: throughNAT(), to: "127.0.0.1:80", missing: "no-such-address"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.from.SubnetID == "" {
				c.from = host()
			}
			check(t, c.in.Address(c.from, netip.MustParseAddrPort(c.to)), c.path, c.missing, nil)
		})
	}
}
