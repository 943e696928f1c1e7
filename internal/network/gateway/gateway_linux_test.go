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
	"sync"
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

// internet is a host outside, in a namespace of its own behind a link. Its IPv6
// address is not of the link's network.
var (
	internet     = netip.MustParseAddr("198.51.100.10")
	internetIPv6 = netip.MustParseAddr("2001:db8:1::10")
)

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
	must(up("outside", netip.MustParsePrefix("2001:db8:2::1/64")))
	must(far.Do(func() error {
		return errors.Join(up("lo", netip.PrefixFrom(internetIPv6, 128)),
			up("inet", netip.PrefixFrom(internet, 24), netip.MustParsePrefix("2001:db8:2::10/64")))
	}))
	must(netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("2000::/3")), Gw: net.ParseIP("2001:db8:2::10")}))
	for _, port := range []int{443, 5432} {
		must(far.Do(func() error {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
			if err == nil {
				t.Cleanup(func() { l.Close() })
				go echo(l)
			}
			return err
		}))
	}
	for _, addr := range []netip.Addr{internet, internetIPv6} {
		must(far.Do(func() error {
			p, err := net.ListenPacket("udp", netip.AddrPortFrom(addr, 123).String())
			if err == nil {
				t.Cleanup(func() { p.Close() })
				go echoDatagrams(p)
			}
			return err
		}))
	}
}

func echoDatagrams(p net.PacketConn) {
	buf := make([]byte, 1500)
	for n, from, err := p.ReadFrom(buf); err == nil; n, from, err = p.ReadFrom(buf) {
		p.WriteTo(buf[:n], from)
	}
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
	cfg.Address, cfg.IPv6 = netip.MustParseAddr("10.0.1.4"), netip.MustParseAddr("2600:1f00::4")
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

// withTable adds a route to a subnet's table, which it makes at first.
func withTable(t *network.Topology, subnet string, r lamina.Route) *network.Topology {
	for i := range t.Tables {
		if t.Tables[i].ID == "rtb-"+subnet {
			t.Tables[i].Routes = append(t.Tables[i].Routes, r)
			return t
		}
	}
	t.Tables = append(t.Tables, lamina.RouteTable{ID: "rtb-" + subnet, Routes: []lamina.Route{r}, Associations: []lamina.RouteAssociation{{SubnetID: subnet}}})
	return t
}

func throughNAT() *network.Topology {
	t := vpc()
	t.NAT = []lamina.NATGateway{{ID: "nat-1", VPCID: "vpc-1", SubnetID: "subnet-public", PublicIP: "198.18.0.4"}}
	withTable(t, private, lamina.Route{CIDR: "0.0.0.0/0", NATGateway: "nat-1"})
	return withTable(t, "subnet-public", lamina.Route{CIDR: "0.0.0.0/0", Gateway: "igw-1"})
}

// withIPv6 routes the private subnet's IPv6 packets.
func withIPv6(t *network.Topology, r lamina.Route) *network.Topology {
	t.VPC.IPv6CIDR = "2600:1f00::/56"
	t.EgressOnly = []lamina.EgressOnlyGateway{{ID: "eigw-1", VPCID: "vpc-1"}}
	r.IPv6CIDR = "::/0"
	t.Groups[0].Rules = append(t.Groups[0].Rules, lamina.SecurityRule{Egress: true, Protocol: "-1", IPv6CIDR: "::/0"})
	return withTable(t, private, r)
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

// The five layouts people use, and those of IPv6: the internet, the service's public
// address and the endpoint's are reached exactly as routes and groups say.
func TestLayouts(t *testing.T) {
	makeInternet(t)
	i := makeInstance(t, Config{Door: doorman(t)})
	onlyDatabase := throughNAT()
	onlyDatabase.Groups[0].Rules = []lamina.SecurityRule{{Egress: true, Protocol: "tcp", FromPort: port(5432), ToPort: port(5432), CIDR: "198.51.100.0/24"}}
	public := host()
	public.Public = true
	six := host()
	six.IPv6 = true
	onlyDatabase6 := withIPv6(vpc(), lamina.Route{EgressOnly: "eigw-1"})
	onlyDatabase6.Groups[0].Rules = []lamina.SecurityRule{{Egress: true, Protocol: "tcp", FromPort: port(5432), ToPort: port(5432), IPv6CIDR: "2001:db8:1::/64"}}
	const web, database, clock, service, inside = "198.51.100.10:443", "198.51.100.10:5432", "198.51.100.10:123", "203.0.113.1:443", "10.0.1.200:443"
	const web6, database6, clock6, service6 = "[2001:db8:1::10]:443", "[2001:db8:1::10]:5432", "[2001:db8:1::10]:123", "[2001:db8::1]:443"
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
		"egress-only gateway":             {withIPv6(vpc(), lamina.Route{EgressOnly: "eigw-1"}), six, []string{web6, database6, clock6, service6}},
		"IPv6 by the internet gateway":    {withIPv6(vpc(), lamina.Route{Gateway: "igw-1"}), six, []string{web6, database6, clock6, service6}},
		"egress-only, no IPv6 address":    {withIPv6(vpc(), lamina.Route{EgressOnly: "eigw-1"}), host(), nil},
		"IPv6 by a NAT gateway":           {withIPv6(throughNAT(), lamina.Route{NATGateway: "nat-1"}), six, []string{web, database, clock, service}},
		"egress-only, wrong group":        {onlyDatabase6, six, []string{database6}},
	} {
		t.Run(name, func(t *testing.T) {
			i.apply(stateOf(c.t, c.h))
			var all sync.WaitGroup
			for _, to := range []string{web, database, clock, service, inside, web6, database6, clock6, service6} {
				protocol := "tcp"
				if to == clock || to == clock6 {
					protocol = "udp"
				}
				want := slices.Contains(c.reached, to)
				all.Go(func() {
					if got := i.reaches(protocol, to, want); got != want {
						t.Errorf("%s %s: reached %v", protocol, to, got)
					}
				})
			}
			all.Wait()
			for _, to := range []string{web, web6} {
				if got := c.t.Address(c.h, netip.MustParseAddrPort(to)).Reached(); got != slices.Contains(c.reached, to) {
					t.Errorf("Address says %v of %s", got, to)
				}
			}
		})
	}
}

// Groups are stateful: a rule that goes takes no connection along that stands.
// A route does.
func TestChangesCountAtOnce(t *testing.T) {
	makeInternet(t)
	t.Run("IPv4", func(t *testing.T) {
		top := throughNAT()
		changesCount(t, top, "198.51.100.10:443", func() { top.NAT[0].Deleted = time.Now() })
	})
	t.Run("IPv6", func(t *testing.T) {
		top := withIPv6(vpc(), lamina.Route{EgressOnly: "eigw-1"})
		changesCount(t, top, "[2001:db8:1::10]:443", func() { top.EgressOnly = nil })
	})
}

func changesCount(t *testing.T, top *network.Topology, to string, closeGateway func()) {
	i := makeInstance(t, Config{})
	h := host()
	h.IPv6 = true
	i.apply(stateOf(top, h))
	c, err := i.dial("tcp", to, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !echoes(c, patience) {
		t.Fatal("no echo through the gateway")
	}
	rules := top.Groups[0].Rules
	top.Groups[0].Rules = nil
	i.apply(stateOf(top, h))
	if i.reaches("tcp", to, false) {
		t.Error("a new connection got out without a rule")
	}
	if !echoes(c, patience) {
		t.Error("a standing connection broke with its rule")
	}
	top.Groups[0].Rules = rules
	i.apply(stateOf(top, h))
	if !i.reaches("tcp", to, true) {
		t.Error("the rule is back, and nothing gets out")
	}
	closeGateway()
	i.apply(stateOf(top, h))
	if echoes(c, 400*time.Millisecond) || i.reaches("tcp", to, false) {
		t.Error("packets get out by a gateway that is deleted")
	}
}

// Whatever the VPC allows: the metadata service, the host and its neighbours,
// other environments and the gateway itself are out of reach (targets.md, S8).
func TestWhatIsNeverReached(t *testing.T) {
	makeInternet(t)
	onHost, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer onHost.Close()
	go echo(onHost)
	_, hostPort, _ := net.SplitHostPort(onHost.Addr().String())
	i := makeInstance(t, Config{})
	h := host()
	h.IPv6 = true
	i.apply(stateOf(withIPv6(throughNAT(), lamina.Route{EgressOnly: "eigw-1"}), h))
	for _, to := range []string{"198.51.100.10:443", "[2001:db8:1::10]:443"} {
		if !i.reaches("tcp", to, true) {
			t.Fatalf("%s is not reached", to)
		}
	}
	other, err := i.g.Open(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var api net.Listener
	err = other.Do(func() error {
		api, err = net.Listen("tcp", ":9001")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	go echo(api)
	var all sync.WaitGroup
	for _, to := range []string{
		"169.254.169.254:80", "169.254.64.3:9001", "127.0.0.1:9001", // metadata, the other environment, the own loopback
		"127.0.0.1:" + hostPort, "198.51.100.1:" + hostPort, "0.0.0.0:" + hostPort, // the host
		"169.254.64.0:" + fmt.Sprint(network.RelayPort), "10.0.1.4:" + fmt.Sprint(network.RelayPort), // the gateway
		"10.0.0.1:443", "192.168.0.1:443", "172.17.0.1:443", "100.100.100.200:80", "168.63.129.16:80",
		"[fd00:ec2::254]:80", "[fd4c:616d:696e:1::2]:9001", "[::1]:9001", "[fd4c:616d:696e:1::1]:" + fmt.Sprint(network.RelayPort), "[2600:1f00::4]:" + fmt.Sprint(network.RelayPort),
		"[2001:db8:2::1]:" + hostPort, "[2001:db8:2::10]:443", "[64:ff9b::c633:640a]:443", "[fd00::1]:443", // the host, its network, NAT64
	} {
		all.Go(func() {
			if i.reaches("tcp", to, false) {
				t.Errorf("%s is reached", to)
			}
		})
	}
	all.Wait()
	for _, to := range []string{"10.0.1.4:9001", "[2600:1f00::4]:9001", "169.254.64.3:9001", "[fd4c:616d:696e:1::2]:9001"} { // from outside
		if c, err := net.DialTimeout("tcp", to, 400*time.Millisecond); err == nil {
			c.Close()
			t.Errorf("a connection from outside comes in at %s", to)
		}
	}
}

// resolve asks the VPC's name server at an address from inside the environment.
func (i *instance) resolve(protocol, server, name string) (addrs []string, err error) {
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return i.dial(protocol, net.JoinHostPort(server, "53"), time.Second)
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
		"private DNS":    {func(*network.Topology) {}, map[string]string{logs: "10.0.1.200", own: "10.0.1.200", "sts.us-east-1.amazonaws.com": "203.0.113.1", "b.s3.us-east-1.amazonaws.com": "192.0.2.1", "logs.us-east-1.api.aws": "2001:db8::1 203.0.113.1"}},
		"no private DNS": {func(t *network.Topology) { t.Endpoints[0].PrivateDNS = false }, map[string]string{logs: "203.0.113.1", own: "10.0.1.200"}},
		"no host names":  {func(t *network.Topology) { t.VPC.DNSHostnames = false }, map[string]string{logs: "203.0.113.1"}},
		"no DNS support": {func(t *network.Topology) { t.VPC.DNSSupport = false }, map[string]string{logs: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			top := withEndpoint(vpc())
			c.change(top)
			i.apply(stateOf(top, host()))
			for name, want := range c.want {
				for _, at := range [][2]string{{"udp", "169.254.169.253"}, {"tcp", "169.254.169.253"}, {"udp", "10.0.0.2"}, {"tcp", "10.0.0.2"}} {
					got, err := i.resolve(at[0], at[1], name)
					slices.Sort(got)
					if strings.Join(got, " ") != want {
						t.Errorf("%s at %s: %s is %q, %v; want %q", at[0], at[1], name, got, err, want)
					}
				}
			}
			if got, err := i.resolve("udp", "10.0.1.2", logs); err == nil {
				t.Errorf("a subnet's third address answers %q", got)
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

// TestFailedOpenKeepsNoLink: a namespace that can't be made takes no link's number.
func TestFailedOpenKeepsNoLink(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	g := &Gateway{used: map[int]bool{}}
	_, err := g.Open(t.Context(), "e")
	if e := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); e != nil {
		t.Fatal(e)
	}
	if err == nil || len(g.used) != 0 {
		t.Errorf("%v; %d links are taken", err, len(g.used))
	}
}
