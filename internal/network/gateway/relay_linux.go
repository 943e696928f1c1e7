package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/netns"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/wire"
)

// transparent lets a socket have any address, and tells it what datagrams were sent to.
func transparent(protocol, _ string, c syscall.RawConn) error {
	level, foreign, origin := unix.SOL_IP, unix.IP_TRANSPARENT, unix.IP_RECVORIGDSTADDR
	if strings.HasSuffix(protocol, "6") {
		level, foreign, origin = unix.SOL_IPV6, unix.IPV6_TRANSPARENT, unix.IPV6_RECVORIGDSTADDR
	}
	var err error
	set := func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), level, foreign, 1),
			unix.SetsockoptInt(int(fd), level, origin, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		)
	}
	return errors.Join(c.Control(set), err)
}

// flow is one connection that is taken over; its end closes both sides.
type flow struct {
	mu     sync.Mutex
	ends   []io.Closer
	closed bool
}

// add is false, and closes c, when the flow has ended already.
func (f *flow) add(c io.Closer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		c.Close()
		return false
	}
	f.ends = append(f.ends, c)
	return true
}

func (f *flow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, c := range f.ends {
		c.Close()
	}
}

// flows are those of all environments.
type flows struct {
	mu    sync.Mutex
	n     int
	ended bool
	byEnv map[netip.Addr]map[*flow]struct{}
}

// open is nil when there are too many, or the gateway has ended.
func (fs *flows) open(env netip.Addr) *flow {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.ended || fs.n >= maxFlows {
		return nil
	}
	if fs.byEnv[env] == nil {
		fs.byEnv[env] = map[*flow]struct{}{}
	}
	f := &flow{}
	fs.byEnv[env][f] = struct{}{}
	fs.n++
	return f
}

func (fs *flows) done(env netip.Addr, f *flow) {
	f.close()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.n--
	delete(fs.byEnv[env], f)
	if len(fs.byEnv[env]) == 0 {
		delete(fs.byEnv, env)
	}
}

// close ends an environment's flows: what it left open would stay open outside.
func (fs *flows) close(env netip.Addr) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for f := range fs.byEnv[env] {
		f.close()
	}
}

func (fs *flows) closeAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.ended = true
	for _, of := range fs.byEnv {
		for f := range of {
			f.close()
		}
	}
}

// Run takes over what is let out, until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, g.Close)
	defer stop()
	var all errgroup.Group
	parts := []func(context.Context) error{g.answerUDP, g.answerTCP}
	for _, in := range g.taken {
		parts = append(parts,
			func(ctx context.Context) error { return g.relayTCP(ctx, in.tcp) },
			func(ctx context.Context) error { return g.relayUDP(ctx, in.udp) })
	}
	for _, part := range parts {
		all.Go(func() error {
			err := part(ctx)
			if ctx.Err() != nil {
				return nil
			}
			g.Close()
			return err
		})
	}
	err := all.Wait()
	g.work.Wait()
	return err
}

func (g *Gateway) relayTCP(ctx context.Context, l net.Listener) error {
	return wire.Serve(ctx, l, func(ctx context.Context, in net.Conn) {
		g.relay(ctx, in.(*net.TCPConn), addrPort(in.RemoteAddr()).Addr(), func(ctx context.Context) (net.Conn, error) {
			return g.dial(ctx, "tcp", addrPort(in.LocalAddr()))
		})
	})
}

func addrPort(a net.Addr) netip.AddrPort {
	p := a.(interface{ AddrPort() netip.AddrPort }).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// relay joins a connection of an environment with the one that dial makes.
func (g *Gateway) relay(ctx context.Context, in *net.TCPConn, env netip.Addr, dial func(context.Context) (net.Conn, error)) {
	f := g.flows.open(env)
	if f == nil {
		reset(in)
		return
	}
	defer g.flows.done(env, f)
	if !f.add(in) {
		return
	}
	dialing, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	out, err := dial(dialing)
	if err != nil {
		reset(in)
		return
	}
	if f.add(out) {
		splice(in, out.(stream))
	}
}

// dial leaves by the host's network, or by the server's door.
func (g *Gateway) dial(ctx context.Context, protocol string, to netip.AddrPort) (net.Conn, error) {
	if slices.Contains(g.state.Load().Served, to.Addr()) {
		if protocol != "tcp" || g.cfg.Door == nil {
			return nil, syscall.ECONNREFUSED
		}
		return g.cfg.Door(ctx, to)
	}
	// The rules see to what no function reaches; twice, since the host's own services are at stake.
	if !network.Outside(to.Addr()) || own(to.Addr()) {
		return nil, syscall.EHOSTUNREACH
	}
	var d net.Dialer
	return d.DialContext(ctx, protocol, to.String())
}

// own says whether an address is this machine's, or of IPv6 its network's, where
// addresses are seldom private: what listens there is not on the internet.
func own(addr netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(all, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && (p.Addr().Unmap() == addr || addr.Is6() && p.Contains(addr))
	})
}

// reset ends a connection as one that is refused.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // an end in order is as good
	c.Close()
}

// stream is a connection of which one direction can end before the other.
type stream interface {
	net.Conn
	CloseWrite() error
}

func splice(a, b stream) {
	var both sync.WaitGroup
	both.Go(func() { pour(a, b) })
	both.Go(func() { pour(b, a) })
	both.Wait()
}

// pour ends both directions when one breaks, which a peer must learn.
func pour(to, from stream) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	_ = to.CloseWrite() // it may have ended as well
}

// front serves the door on an environment's own loopback, until the namespace is let go.
func (g *Gateway) front(ctx context.Context, ns *netns.Namespace, l link) error {
	if g.cfg.Front == 0 || g.cfg.Door == nil {
		return nil
	}
	local := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), g.cfg.Front)
	door, err := ns.Listen(ctx, local.String())
	if err != nil {
		return err
	}
	ns.OnClose(func() { door.Close(); g.leave(l) })
	g.work.Go(func() { // ends with the namespace
		_ = wire.Serve(context.WithoutCancel(ctx), door, func(ctx context.Context, in net.Conn) {
			g.relay(ctx, in.(*net.TCPConn), l.env.Addr(), func(ctx context.Context) (net.Conn, error) { return g.cfg.Door(ctx, local) })
		})
	})
	return nil
}
