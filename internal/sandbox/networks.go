package sandbox

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/lamina-dev/lamina/internal/netns"
)

// apiAddr is where the Runtime API listens inside an environment that has a
// network of its own, as on AWS.
const apiAddr = "127.0.0.1:9001"

// Networks gives environments network namespaces of their own, with the Runtime
// API inside. A nil one leaves them on the host's network.
type Networks struct {
	open     func(ctx context.Context, id string) (*netns.Namespace, error)
	resolver string

	mu   sync.Mutex
	byID map[string]*netns.Namespace // those between Listen and the listener's Close
}

// NewNetworks has open make each environment's namespace. The resolver is the
// name server that environments ask; "" leaves them the host's.
func NewNetworks(open func(ctx context.Context, id string) (*netns.Namespace, error), resolver string) *Networks {
	return &Networks{open: open, resolver: resolver, byID: map[string]*netns.Namespace{}}
}

// Loopback are namespaces that hold loopback alone: no way leads out.
func Loopback() *Networks {
	return NewNetworks(func(context.Context, string) (*netns.Namespace, error) { return netns.New() }, "")
}

// Resolver is the name server of environments; "" for the host's.
func (n *Networks) Resolver() string {
	if n == nil {
		return ""
	}
	return n.resolver
}

// Listen opens the Runtime API's listener of an environment; with its Close the
// namespace is let go.
func (n *Networks) Listen(ctx context.Context, id string) (net.Listener, error) {
	l, err := n.listen(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("opening the runtime API of environment %s: %w", id, err)
	}
	return l, nil
}

func (n *Networks) listen(ctx context.Context, id string) (net.Listener, error) {
	if n == nil {
		var lc net.ListenConfig
		return lc.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	ns, err := n.open(ctx, id)
	if err != nil {
		return nil, err
	}
	l, err := ns.Listen(ctx, apiAddr)
	if err != nil {
		ns.Close()
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byID[id] = ns
	return &listener{l.(*net.TCPListener), sync.OnceFunc(func() { n.remove(id, ns) })}, nil
}

// Of is an environment's namespace; nil for the host's.
func (n *Networks) Of(id string) *netns.Namespace {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byID[id]
}

func (n *Networks) remove(id string, ns *netns.Namespace) {
	n.mu.Lock()
	delete(n.byID, id)
	n.mu.Unlock()
	ns.Close()
}

// listener closes the namespace with itself.
type listener struct {
	*net.TCPListener
	remove func()
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.remove()
	return l.TCPListener.Close()
}
