package mem

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Network connects by pipes under names of its own, in no socket of the host.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	cut       bool
}

// NewNetwork makes a network on which nobody listens.
func NewNetwork() *Network { return &Network{listeners: map[string]*listener{}} }

// Listen takes a name until the listener is closed.
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, fmt.Errorf("listen at %s: somebody does", addr)
	}
	l := &listener{network: n, addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// Cut lets no further connection come about, or permits them again.
func (n *Network) Cut(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
}

// Dial connects to who listens at addr.
func (n *Network) Dial(ctx context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	l, cut := n.listeners[addr], n.cut
	n.mu.Unlock()
	if l == nil || cut {
		return nil, fmt.Errorf("dial %s: nobody listens", addr)
	}
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: nobody listens any more", addr)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s: %w", addr, context.Cause(ctx))
	}
}

type listener struct {
	network *Network
	addr    string
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.addr)
		l.network.mu.Unlock()
		close(l.closed) // last, since the name is free when Accept has returned
	})
	return nil
}

func (l *listener) Addr() net.Addr { return name(l.addr) }

// name is an address of this network.
type name string

func (n name) Network() string { return "mem" }
func (n name) String() string  { return string(n) }
