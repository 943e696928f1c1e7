package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pair names a UDP flow: an environment's socket and where it sends.
type pair struct{ from, to netip.AddrPort }

// datagrams are the UDP flows there are.
type datagrams struct {
	mu   sync.Mutex
	open map[pair]net.Conn // their outer sockets
}

// relayUDP gives each flow sockets of its own; the shared one gets its first
// datagrams only.
func (g *Gateway) relayUDP(ctx context.Context, conn *net.UDPConn) error {
	known := datagrams{open: map[pair]net.Conn{}}
	var work sync.WaitGroup
	defer work.Wait()
	buf, oob := make([]byte, maxDatagram), make([]byte, 256)
	for {
		n, m, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue // of one datagram: an earlier reply that was refused
		}
		to, ok := sentTo(oob[:m])
		if !ok {
			continue
		}
		p := pair{netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), to}
		known.mu.Lock()
		out := known.open[p]
		known.mu.Unlock()
		if out != nil {
			_, _ = out.Write(buf[:n]) // datagrams may be lost
			continue
		}
		g.begin(ctx, &work, &known, p, buf[:n])
	}
}

// sentTo reads the destination that a datagram had.
func sentTo(oob []byte) (netip.AddrPort, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for _, m := range messages { // struct sockaddr_in or sockaddr_in6
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVORIGDSTADDR && len(m.Data) >= 8:
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(m.Data[4:8])), binary.BigEndian.Uint16(m.Data[2:4])), true
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVORIGDSTADDR && len(m.Data) >= 24:
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(m.Data[8:24])), binary.BigEndian.Uint16(m.Data[2:4])), true
		}
	}
	return netip.AddrPort{}, false
}

// begin opens a flow and sends its first datagram on.
func (g *Gateway) begin(ctx context.Context, work *sync.WaitGroup, known *datagrams, p pair, first []byte) {
	f := g.flows.open(p.from.Addr())
	if f == nil {
		return
	}
	out, in, err := g.sockets(ctx, p)
	if err != nil {
		g.flows.done(p.from.Addr(), f)
		return
	}
	if outer, inner := f.add(out), f.add(in); !outer || !inner {
		g.flows.done(p.from.Addr(), f)
		return
	}
	known.mu.Lock()
	known.open[p] = out
	known.mu.Unlock()
	_, _ = out.Write(first) // datagrams may be lost
	work.Go(func() {
		defer g.flows.done(p.from.Addr(), f)
		defer func() {
			known.mu.Lock()
			defer known.mu.Unlock()
			delete(known.open, p)
		}()
		exchange(in, out)
	})
}

// sockets are the outer one and, in the instance's namespace, one that bears the
// far end's address.
func (g *Gateway) sockets(ctx context.Context, p pair) (out, in net.Conn, err error) {
	if out, err = g.dial(ctx, "udp", p.to); err != nil {
		return nil, nil, err
	}
	err = g.ns.Do(func() error {
		d := net.Dialer{Control: transparent, LocalAddr: net.UDPAddrFromAddrPort(p.to)}
		in, err = d.DialContext(ctx, "udp", p.from.String())
		return err
	})
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return out, in, nil
}

// exchange copies datagrams both ways until there are none for a while.
func exchange(a, b net.Conn) {
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		buf := make([]byte, maxDatagram)
		for {
			if err := errors.Join(a.SetReadDeadline(time.Now().Add(udpIdle)), b.SetReadDeadline(time.Now().Add(udpIdle))); err != nil {
				return
			}
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			_, _ = to.Write(buf[:n]) // datagrams may be lost
		}
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
}
