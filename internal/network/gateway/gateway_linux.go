package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/netns"
	"github.com/lamina-dev/lamina/internal/network"
)

// Gateway is one instance's network.
type Gateway struct {
	cfg   Config
	ns    *netns.Namespace
	taken []intake
	names net.PacketConn // the name server's
	over  net.Listener   // the name server's, over TCP
	state atomic.Pointer[State]
	flows flows
	work  sync.WaitGroup // of front doors

	applying sync.Mutex

	mu   sync.Mutex
	used map[int]bool // links
	next int
}

// intake is where what is taken over of one IP version arrives.
type intake struct {
	tcp net.Listener
	udp *net.UDPConn
}

// New makes a gateway that lets nothing out yet.
func New(cfg Config) (*Gateway, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{cfg: cfg, used: map[int]bool{}, flows: flows{byEnv: map[netip.Addr]map[*flow]struct{}{}}}
	var err error
	if g.ns, err = netns.New(); err != nil {
		return nil, err
	}
	if err := errors.Join(g.prepare(), g.Apply(context.Background(), Shut())); err != nil {
		g.Close()
		return nil, fmt.Errorf("the instance's network: %w", err)
	}
	return g, nil
}

// try makes a gateway with an environment, to learn whether this host permits it.
func try() error {
	vpc := network.Topology{VPC: lamina.VPC{CIDR: "10.0.0.0/16", DNSSupport: true}}
	host := network.Host{Private: netip.MustParseAddr("10.0.0.4")}
	g, err := New(Config{Address: host.Private})
	if err != nil {
		return err
	}
	defer g.Close()
	ns, err := g.Open(context.Background(), "probe")
	if err != nil {
		return err
	}
	ns.Close()
	return g.Apply(context.Background(), State{Rules: vpc.Filter(host).Nftables()})
}

// takeTable is the routing table of packets that are taken over.
const takeTable = 100

// prepare sets addresses, the route for what is taken over, and the sockets.
func (g *Gateway) prepare() error {
	return g.ns.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("finding loopback: %w", err)
		}
		if err := g.address(lo, network.Resolver, g.cfg.Address); err != nil {
			return err
		}
		if err := g.takeOver(lo, unix.AF_INET, anyIPv4, "4"); err != nil {
			return err
		}
		if g.cfg.IPv6.IsValid() {
			if err := errors.Join(g.address(lo, g.cfg.IPv6), g.takeOver(lo, unix.AF_INET6, anyIPv6, "6")); err != nil {
				g.cfg.Log.Warn("this machine has no IPv6 for instances: nothing of it leaves this one", "address", g.cfg.IPv6, "err", err)
				g.cfg.IPv6 = netip.Addr{}
			}
		}
		return g.listen()
	})
}

var anyIPv4, anyIPv6 = netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")

func (g *Gateway) address(lo netlink.Link, addrs ...netip.Addr) error {
	for _, a := range addrs {
		if !a.IsValid() {
			continue
		}
		if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a, a.BitLen()))}); err != nil {
			return fmt.Errorf("adding the address %s: %w", a, err)
		}
	}
	return nil
}

// takeOver makes marked packets local, whatever their destination, and opens the
// sockets that get them.
func (g *Gateway) takeOver(lo netlink.Link, family int, all netip.Prefix, version string) error {
	rule := netlink.NewRule()
	rule.Mark, rule.Table, rule.Family = network.RelayMark, takeTable, family
	if err := netlink.RuleAdd(rule); err != nil {
		return fmt.Errorf("adding a routing rule: %w", err)
	}
	route := &netlink.Route{LinkIndex: lo.Attrs().Index, Table: takeTable, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Dst: ipNet(all)}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("adding a local route: %w", err)
	}
	lc := net.ListenConfig{Control: transparent}
	at := netip.AddrPortFrom(all.Addr(), network.RelayPort).String()
	tcp, err := lc.Listen(context.Background(), "tcp"+version, at)
	if err != nil {
		return fmt.Errorf("listening for what is taken over: %w", err)
	}
	udp, err := lc.ListenPacket(context.Background(), "udp"+version, at)
	if err != nil {
		tcp.Close()
		return fmt.Errorf("listening for what is taken over: %w", err)
	}
	g.taken = append(g.taken, intake{tcp, udp.(*net.UDPConn)})
	return nil
}

func (g *Gateway) listen() (err error) {
	dns := netip.AddrPortFrom(network.Resolver, 53).String()
	if g.names, err = net.ListenPacket("udp4", dns); err != nil {
		return fmt.Errorf("listening for questions: %w", err)
	}
	if g.over, err = net.Listen("tcp4", dns); err != nil {
		return fmt.Errorf("listening for questions: %w", err)
	}
	return nil
}

// Close ends what Run serves, and with it the namespace unless environments are left.
func (g *Gateway) Close() {
	for _, in := range g.taken {
		in.tcp.Close()
		in.udp.Close()
	}
	if g.over != nil {
		g.over.Close()
	}
	if g.names != nil {
		g.names.Close()
	}
	g.flows.closeAll()
	g.ns.Close()
}

// Apply makes a state hold for all that is sent from now on.
func (g *Gateway) Apply(ctx context.Context, s State) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	if old := g.state.Load(); old == nil || old.Rules != s.Rules {
		if err := g.filter(ctx, s.Rules); err != nil {
			return err
		}
	}
	g.state.Store(&s)
	return nil
}

// filter runs nft inside the instance's namespace.
func (g *Gateway) filter(ctx context.Context, rules string) error {
	path, err := Nft()
	if err != nil {
		return err
	}
	return g.ns.Do(func() error {
		cmd := exec.CommandContext(ctx, path, "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("setting packet rules: nft: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

// Nft finds the program that sets packet rules.
func Nft() (string, error) {
	for _, path := range []string{"nft", "/usr/sbin/nft", "/sbin/nft"} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", errors.New("nft is not installed; get it with: apt-get install nftables")
}

// link is how an environment is joined to its instance.
type link struct {
	n                 int
	env, inst         netip.Prefix
	envIPv6, instIPv6 netip.Prefix // used where the instance has an IPv6 address
}

// linkOf numbers the addresses: 169.254.64.0/18 in pairs (chosen; AWS's own
// environments have link-local addresses too), and a part of RFC 4193's range in
// networks of 64 bits. That one is not link-local: resolvers of names would prefer
// IPv4 then, which they don't on AWS.
func linkOf(n int) link {
	a := uint32(169)<<24 | 254<<16 | 64<<8 | uint32(2*n)
	at := func(v uint32) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), 31)
	}
	six := netip.MustParseAddr("fd4c:616d:696e::").As16()
	six[6], six[7] = byte(n>>8), byte(n)
	at6 := func(last byte) netip.Prefix { six[15] = last; return netip.PrefixFrom(netip.AddrFrom16(six), 64) }
	return link{n: n, inst: at(a), env: at(a + 1), instIPv6: at6(1), envIPv6: at6(2)}
}

func (g *Gateway) take() (link, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for range links {
		n := g.next
		g.next = (g.next + 1) % links
		if !g.used[n] {
			g.used[n] = true
			return linkOf(n), nil
		}
	}
	return link{}, fmt.Errorf("this instance has %d environments and can join no more to its network", links)
}

// Open makes an environment's namespace and joins it to the instance's.
func (g *Gateway) Open(ctx context.Context, id string) (*netns.Namespace, error) {
	l, err := g.take()
	if err != nil {
		return nil, err
	}
	ns, err := netns.New()
	if err != nil {
		g.release(l)
		return nil, err
	}
	ns.OnClose(func() { g.leave(l) })
	if err := g.join(ns, l); err != nil {
		ns.Close()
		return nil, fmt.Errorf("joining environment %s to its instance's network: %w", id, err)
	}
	if err := g.front(ctx, ns, l); err != nil {
		ns.Close()
		return nil, fmt.Errorf("opening the front door in environment %s: %w", id, err)
	}
	return ns, nil
}

func (g *Gateway) leave(l link) {
	g.flows.close(l.env.Addr())
	g.flows.close(l.envIPv6.Addr())
	_ = g.ns.Do(func() error { // it may be gone with the environment
		old, err := netlink.LinkByName(l.name())
		if err != nil {
			return err
		}
		return netlink.LinkDel(old)
	})
	g.release(l)
}

func (g *Gateway) release(l link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.used, l.n)
}

func (l link) name() string { return fmt.Sprintf("env%d", l.n) }

// join makes the pair of interfaces.
func (g *Gateway) join(ns *netns.Namespace, l link) error {
	err := g.ns.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = l.name()
		pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.FD())}
		if err := netlink.LinkAdd(pair); err != nil {
			return fmt.Errorf("making interfaces: %w", err)
		}
		return up(l.name(), g.versions(l.inst, l.instIPv6)...)
	})
	if err != nil {
		return err
	}
	return ns.Do(func() error {
		if err := up("eth0", g.versions(l.env, l.envIPv6)...); err != nil {
			return err
		}
		for _, via := range g.versions(l.inst, l.instIPv6) {
			all := anyIPv4
			if via.Addr().Is6() {
				all = anyIPv6
			}
			if err := netlink.RouteAdd(&netlink.Route{Dst: ipNet(all), Gw: net.IP(via.Addr().AsSlice())}); err != nil {
				return fmt.Errorf("adding the default route: %w", err)
			}
		}
		return nil
	})
}

// versions are the addresses that count here.
func (g *Gateway) versions(four, six netip.Prefix) []netip.Prefix {
	if g.cfg.IPv6.IsValid() {
		return []netip.Prefix{four, six}
	}
	return []netip.Prefix{four}
}

func up(name string, addrs ...netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding %s: %w", name, err)
	}
	for _, addr := range addrs {
		a := &netlink.Addr{IPNet: ipNet(addr)}
		if addr.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD // nobody else is on the link
		}
		if err := netlink.AddrAdd(l, a); err != nil {
			return fmt.Errorf("giving %s its address: %w", name, err)
		}
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("bringing %s up: %w", name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
