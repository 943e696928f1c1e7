package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/netns"
	"github.com/lamina-dev/lamina/internal/network"
)

// Gateway is one instance's network.
type Gateway struct {
	cfg   Config
	ns    *netns.Namespace
	tcp   net.Listener // of what is taken over
	udp   net.PacketConn
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

// New makes a gateway that lets nothing out yet.
func New(cfg Config) (*Gateway, error) {
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
	g, err := New(Config{Address: netip.MustParseAddr("10.0.0.4")})
	if err != nil {
		return err
	}
	defer g.Close()
	ns, err := g.Open(context.Background(), "probe")
	if err != nil {
		return err
	}
	ns.Close()
	return g.Apply(context.Background(), State{Rules: network.OpenFilter().Nftables()})
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
		for _, a := range []netip.Addr{network.Resolver, g.cfg.Address} {
			if !a.IsValid() {
				continue
			}
			if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a, 32))}); err != nil {
				return fmt.Errorf("adding the address %s: %w", a, err)
			}
		}
		rule := netlink.NewRule()
		rule.Mark, rule.Table, rule.Family = network.RelayMark, takeTable, unix.AF_INET
		if err := netlink.RuleAdd(rule); err != nil {
			return fmt.Errorf("adding a routing rule: %w", err)
		}
		route := &netlink.Route{LinkIndex: lo.Attrs().Index, Table: takeTable, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST,
			Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0"))}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("adding a local route: %w", err)
		}
		return g.listen()
	})
}

func (g *Gateway) listen() (err error) {
	ctx := context.Background()
	lc := net.ListenConfig{Control: transparent}
	if g.tcp, err = lc.Listen(ctx, "tcp4", fmt.Sprintf("0.0.0.0:%d", network.RelayPort)); err != nil {
		return fmt.Errorf("listening for what is taken over: %w", err)
	}
	if g.udp, err = lc.ListenPacket(ctx, "udp4", fmt.Sprintf("0.0.0.0:%d", network.RelayPort)); err != nil {
		return fmt.Errorf("listening for what is taken over: %w", err)
	}
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
	for _, l := range []net.Listener{g.tcp, g.over} {
		if l != nil {
			l.Close()
		}
	}
	for _, c := range []net.PacketConn{g.udp, g.names} {
		if c != nil {
			c.Close()
		}
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
	n         int
	env, inst netip.Prefix
}

// linkOf numbers the addresses: 169.254.64.0/18 in pairs (chosen; AWS's own
// environments have link-local addresses too).
func linkOf(n int) link {
	a := uint32(169)<<24 | 254<<16 | 64<<8 | uint32(2*n)
	at := func(v uint32) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), 31)
	}
	return link{n: n, inst: at(a), env: at(a + 1)}
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
	_ = g.ns.Do(func() error { // it may be gone with the environment
		old, err := netlink.LinkByName(l.name())
		if err != nil {
			return err
		}
		return netlink.LinkDel(old)
	})
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
		return up(l.name(), l.inst)
	})
	if err != nil {
		return err
	}
	return ns.Do(func() error {
		if err := up("eth0", l.env); err != nil {
			return err
		}
		if err := netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0")), Gw: net.IP(l.inst.Addr().AsSlice())}); err != nil {
			return fmt.Errorf("adding the default route: %w", err)
		}
		return nil
	})
}

func up(name string, addr netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding %s: %w", name, err)
	}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(addr)}); err != nil {
		return fmt.Errorf("giving %s its address: %w", name, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("bringing %s up: %w", name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
