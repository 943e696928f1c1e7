package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/netns"
	"github.com/lamina-dev/lamina/internal/network"
)

// TestMain moves the tests into a network of their own, which stands for the host's.
func TestMain(m *testing.M) {
	if os.Getenv("LAMINA_TEST_HOST") != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), "LAMINA_TEST_HOST=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// internet is a host outside, in a namespace of its own behind a link.
var internet = netip.MustParseAddr("198.51.100.10")

const patience = 30 * time.Second

// makeInternet brings up the link and what listens at its far end.
func makeInternet(t *testing.T) {
	t.Helper()
	if _, err := Nft(); err != nil {
		t.Skip(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	far, err := netns.New()
	must(err)
	t.Cleanup(far.Close)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "outside"
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "inet", PeerNamespace: netlink.NsFd(far.FD())}))
	t.Cleanup(func() {
		if l, err := netlink.LinkByName("outside"); err == nil {
			netlink.LinkDel(l)
		}
	})
	must(up("outside", netip.MustParsePrefix("198.51.100.1/24")))
	if lo, err := netlink.LinkByName("lo"); err == nil {
		must(netlink.LinkSetUp(lo))
	}
	must(far.Do(func() error { return up("inet", netip.PrefixFrom(internet, 24)) }))
	for _, port := range []int{443, 5432} {
		l, err := far.Listen(t.Context(), fmt.Sprintf("0.0.0.0:%d", port))
		must(err)
		t.Cleanup(func() { l.Close() })
		go echo(l)
	}
	must(far.Do(func() error {
		p, err := net.ListenPacket("udp4", "0.0.0.0:123")
		if err != nil {
			return err
		}
		t.Cleanup(func() { p.Close() })
		go func() {
			buf := make([]byte, 1500)
			for n, from, err := p.ReadFrom(buf); err == nil; n, from, err = p.ReadFrom(buf) {
				p.WriteTo(buf[:n], from)
			}
		}()
		return nil
	}))
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { defer c.Close(); io.Copy(c, c) }()
	}
}

// instance is a gateway with one environment.
type instance struct {
	t   *testing.T
	g   *Gateway
	env *netns.Namespace
}

func makeInstance(t *testing.T, cfg Config) *instance {
	t.Helper()
	cfg.Address = netip.MustParseAddr("10.0.1.4")
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	env, err := g.Open(ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		env.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &instance{t, g, env}
}

func (i *instance) apply(s State) {
	i.t.Helper()
	if err := i.g.Apply(i.t.Context(), s); err != nil {
		i.t.Fatal(err)
	}
}

// dial connects from inside the environment.
func (i *instance) dial(protocol, to string, limit time.Duration) (c net.Conn, err error) {
	err = i.env.Do(func() error {
		d := net.Dialer{Timeout: limit}
		c, err = d.Dial(protocol, to)
		return err
	})
	return c, err
}

// reaches says whether an echo comes back. What is dropped is waited for briefly;
// what is expected may take its time.
func (i *instance) reaches(protocol, to string, expected bool) bool {
	limit := 400 * time.Millisecond
	if expected {
		limit = patience
	}
	c, err := i.dial(protocol, to, limit)
	if err != nil {
		return false
	}
	defer c.Close()
	return echoes(c, limit)
}

func echoes(c net.Conn, limit time.Duration) bool {
	until := time.Now().Add(limit)
	for time.Now().Before(until) { // datagrams may be lost
		c.SetDeadline(time.Now().Add(min(limit, time.Second)))
		if _, err := c.Write([]byte("hello")); err != nil {
			return false
		}
		buf := make([]byte, 5)
		if _, err := io.ReadFull(c, buf); err == nil {
			return string(buf) == "hello"
		}
	}
	return false
}

const (
	region         = "us-east-1"
	private        = "subnet-private"
	mine, endpoint = "sg-mine", "sg-endpoint"
)

func port(n int32) *int32 { return &n }

// vpc is isolated: a private and a public subnet, and a group that lets everything out.
func vpc() *network.Topology {
	return &network.Topology{
		VPC:    lamina.VPC{Scope: lamina.Scope{Region: region}, ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true},
		Tables: []lamina.RouteTable{{ID: "rtb-main", Associations: []lamina.RouteAssociation{{Main: true}}}},
		Groups: []lamina.SecurityGroup{
			{ID: mine, Rules: []lamina.SecurityRule{{Egress: true, Protocol: "-1", CIDR: "0.0.0.0/0"}}},
			{ID: endpoint, Rules: []lamina.SecurityRule{{Protocol: "tcp", FromPort: port(443), ToPort: port(443), CIDR: "10.0.0.0/16"}}},
		},
		Internet: []lamina.InternetGateway{{ID: "igw-1", VPCID: "vpc-1"}},
	}
}

func withTable(t *network.Topology, subnet string, r lamina.Route) *network.Topology {
	t.Tables = append(t.Tables, lamina.RouteTable{ID: "rtb-" + subnet, Routes: []lamina.Route{r}, Associations: []lamina.RouteAssociation{{SubnetID: subnet}}})
	return t
}

func throughNAT() *network.Topology {
	t := vpc()
	t.NAT = []lamina.NATGateway{{ID: "nat-1", VPCID: "vpc-1", SubnetID: "subnet-public", PublicIP: "198.18.0.4"}}
	withTable(t, private, lamina.Route{CIDR: "0.0.0.0/0", NATGateway: "nat-1"})
	return withTable(t, "subnet-public", lamina.Route{CIDR: "0.0.0.0/0", Gateway: "igw-1"})
}

func withEndpoint(t *network.Topology) *network.Topology {
	t.Endpoints = []lamina.VPCEndpoint{{Scope: lamina.Scope{Region: region}, ID: "vpce-0123456789abcdef0", VPCID: "vpc-1", Service: network.ServiceName(region, "logs"),
		Type: "Interface", SubnetIDs: []string{private}, InterfaceIDs: []string{"eni-1"}, GroupIDs: []string{endpoint}, PrivateDNS: true}}
	t.Interfaces = []lamina.NetworkInterface{{ID: "eni-1", SubnetID: private, PrivateIP: "10.0.1.200", GroupIDs: []string{endpoint}}}
	return t
}

func host() network.Host {
	return network.Host{SubnetID: private, Private: netip.MustParseAddr("10.0.1.4"), GroupIDs: []string{mine}}
}

// stateOf is what the server makes of a topology.
func stateOf(t *network.Topology, h network.Host) State {
	s := State{Rules: t.Filter(h).Nftables(), Names: t.Names(), Served: network.ServiceAddresses()}
	for _, n := range t.Interfaces {
		s.Served = append(s.Served, netip.MustParseAddr(n.PrivateIP))
	}
	return s
}

// doorman answers for the server and says where the environment had dialled.
func doorman(t *testing.T) func(context.Context, netip.AddrPort) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go echo(l)
	return func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}
}

// The five layouts people use: the internet, the service's public address and
// the endpoint's are reached exactly as routes and groups say.
func TestLayouts(t *testing.T) {
	makeInternet(t)
	i := makeInstance(t, Config{Door: doorman(t)})
	onlyDatabase := throughNAT()
	onlyDatabase.Groups[0].Rules = []lamina.SecurityRule{{Egress: true, Protocol: "tcp", FromPort: port(5432), ToPort: port(5432), CIDR: "198.51.100.0/24"}}
	public := host()
	public.Public = true
	const web, database, clock, service, inside = "198.51.100.10:443", "198.51.100.10:5432", "198.51.100.10:123", "203.0.113.1:443", "10.0.1.200:443"
	for name, c := range map[string]struct {
		t       *network.Topology
		h       network.Host
		reached []string
	}{
		"public with an internet gateway": {withTable(vpc(), private, lamina.Route{CIDR: "0.0.0.0/0", Gateway: "igw-1"}), public, []string{web, database, clock, service}},
		"public without a public address": {withTable(vpc(), private, lamina.Route{CIDR: "0.0.0.0/0", Gateway: "igw-1"}), host(), nil},
		"private with NAT":                {throughNAT(), host(), []string{web, database, clock, service}},
		"private with endpoints":          {withEndpoint(vpc()), host(), []string{inside}},
		"isolated":                        {vpc(), host(), nil},
		"wrong group":                     {onlyDatabase, host(), []string{database}},
	} {
		t.Run(name, func(t *testing.T) {
			i.apply(stateOf(c.t, c.h))
			for _, to := range []string{web, database, clock, service, inside} {
				protocol := "tcp4"
				if to == clock {
					protocol = "udp4"
				}
				want := slices.Contains(c.reached, to)
				if got := i.reaches(protocol, to, want); got != want {
					t.Errorf("%s %s: reached %v", protocol, to, got)
				}
			}
			if got := c.t.Address(c.h, netip.MustParseAddrPort(web)).Reached(); got != slices.Contains(c.reached, web) {
				t.Errorf("Address says %v of %s", got, web)
			}
		})
	}
}

// Groups are stateful: a rule that goes takes no connection along that stands.
// A route does.
func TestChangesCountAtOnce(t *testing.T) {
	makeInternet(t)
	i := makeInstance(t, Config{})
	top := throughNAT()
	i.apply(stateOf(top, host()))
	c, err := i.dial("tcp4", "198.51.100.10:443", patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !echoes(c, patience) {
		t.Fatal("no echo through NAT")
	}
	rules := top.Groups[0].Rules
	top.Groups[0].Rules = nil
	i.apply(stateOf(top, host()))
	if i.reaches("tcp4", "198.51.100.10:443", false) {
		t.Error("a new connection got out without a rule")
	}
	if !echoes(c, patience) {
		t.Error("a standing connection broke with its rule")
	}
	top.Groups[0].Rules = rules
	i.apply(stateOf(top, host()))
	if !i.reaches("tcp4", "198.51.100.10:443", true) {
		t.Error("the rule is back, and nothing gets out")
	}
	top.NAT[0].Deleted = time.Now()
	i.apply(stateOf(top, host()))
	if echoes(c, 400*time.Millisecond) || i.reaches("tcp4", "198.51.100.10:443", false) {
		t.Error("packets get out by a NAT gateway that is deleted")
	}
}

// Whatever the VPC allows: the metadata service, the host and its neighbours,
// other environments and the gateway itself are out of reach (targets.md, S8).
func TestWhatIsNeverReached(t *testing.T) {
	makeInternet(t)
	onHost, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer onHost.Close()
	go echo(onHost)
	_, hostPort, _ := net.SplitHostPort(onHost.Addr().String())
	i := makeInstance(t, Config{})
	i.apply(State{Rules: network.OpenFilter().Nftables(), Served: network.ServiceAddresses()})
	if !i.reaches("tcp4", "198.51.100.10:443", true) {
		t.Fatal("the internet is not reached")
	}
	other, err := i.g.Open(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	api, err := other.Listen(t.Context(), "0.0.0.0:9001")
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	go echo(api)
	for _, to := range []string{
		"169.254.169.254:80", "169.254.64.3:9001", "127.0.0.1:9001", // metadata, the other environment, the own loopback
		"127.0.0.1:" + hostPort, "198.51.100.1:" + hostPort, "0.0.0.0:" + hostPort, // the host
		"169.254.64.0:" + fmt.Sprint(network.RelayPort), "10.0.1.4:" + fmt.Sprint(network.RelayPort), // the gateway
		"10.0.0.1:443", "192.168.0.1:443", "172.17.0.1:443", "100.100.100.200:80", "168.63.129.16:80",
	} {
		if i.reaches("tcp4", to, false) {
			t.Errorf("%s is reached", to)
		}
	}
	if c, err := i.dial("tcp6", "[fd00:ec2::254]:80", 400*time.Millisecond); err == nil {
		c.Close()
		t.Error("the metadata service is reached by IPv6")
	}
}

// resolve asks the VPC's name server from inside the environment.
func (i *instance) resolve(name string) (addrs []string, err error) {
	r := net.Resolver{PreferGo: true, Dial: func(_ context.Context, protocol, _ string) (net.Conn, error) {
		return i.dial(protocol, network.Resolver.String()+":53", time.Second)
	}}
	ctx, cancel := context.WithTimeout(i.t.Context(), 3*time.Second)
	defer cancel()
	return r.LookupHost(ctx, name)
}

func TestNames(t *testing.T) {
	makeInternet(t)
	i := makeInstance(t, Config{})
	const logs, own = "logs.us-east-1.amazonaws.com", "vpce-0123456789abcdef0-9abcdef0.logs.us-east-1.vpce.amazonaws.com"
	for name, c := range map[string]struct {
		change func(*network.Topology)
		want   map[string]string
	}{
		"private DNS":    {func(*network.Topology) {}, map[string]string{logs: "10.0.1.200", own: "10.0.1.200", "sts.us-east-1.amazonaws.com": "203.0.113.1", "b.s3.us-east-1.amazonaws.com": "192.0.2.1"}},
		"no private DNS": {func(t *network.Topology) { t.Endpoints[0].PrivateDNS = false }, map[string]string{logs: "203.0.113.1", own: "10.0.1.200"}},
		"no host names":  {func(t *network.Topology) { t.VPC.DNSHostnames = false }, map[string]string{logs: "203.0.113.1"}},
		"no DNS support": {func(t *network.Topology) { t.VPC.DNSSupport = false }, map[string]string{logs: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			top := withEndpoint(vpc())
			c.change(top)
			i.apply(stateOf(top, host()))
			for name, want := range c.want {
				got, err := i.resolve(name)
				if strings.Join(got, " ") != want {
					t.Errorf("%s is %q, %v; want %q", name, got, err, want)
				}
			}
		})
	}
}

// A question that is none gets no answer and does no harm.
func FuzzAnswer(f *testing.F) {
	question, err := (&dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("logs.us-east-1.amazonaws.com."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(question)
	f.Add(question[:13])
	f.Add([]byte{})
	g := &Gateway{}
	g.state.Store(&State{})
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // names that are not AWS's are asked of nobody
		if answer := g.answer(ctx, "udp", data); answer != nil {
			var m dnsmessage.Message
			if err := m.Unpack(answer); err != nil || m.ID != uint16(data[0])<<8|uint16(data[1]) {
				t.Errorf("%x: %v", answer, err)
			}
		}
	})
}

// Whatever ends, nothing stays: no interface, no listener, no goroutine's socket.
func TestNothingStays(t *testing.T) {
	makeInternet(t)
	before, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	i := makeInstance(t, Config{Door: doorman(t), Front: 4566})
	i.apply(State{Rules: network.OpenFilter().Nftables(), Served: network.ServiceAddresses()})
	if !i.reaches("tcp4", "127.0.0.1:4566", true) {
		t.Error("the server's door is not on the environment's loopback")
	}
	c, err := i.dial("tcp4", "198.51.100.10:443", patience)
	if err != nil || !echoes(c, patience) {
		t.Fatal(err)
	}
	i.env.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the environment is gone, its connection is not: %v", err)
	}
	c.Close()
	after, err := netlink.LinkList()
	if err != nil || len(after) != len(before) {
		t.Errorf("the host has %d interfaces instead of %d, %v", len(after), len(before), err)
	}
	err = i.g.ns.Do(func() error {
		links, err := netlink.LinkList()
		if len(links) != 1 {
			t.Errorf("the instance's namespace has %d interfaces", len(links))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
