// Package door is where execution environments find the server: a listener that
// knows whose each connection is, and a gate that lets a request in only where
// the environment's VPC has a path to the service it asks.
package door

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// stepLimit bounds the wait for a connection's first line, which agents send at once.
const stepLimit = 5 * time.Second

// Visit is who stands behind a connection.
type Visit struct {
	Instance lamina.Instance
	To       netip.AddrPort // where the environment had sent it
}

// Listener accepts the connections of instances that it knows.
type Listener struct {
	net.Listener
	instance func(id, token string) (lamina.Instance, bool)
	visits   chan *Conn
	ended    <-chan struct{}
	end      context.CancelFunc
	work     sync.WaitGroup
}

// Listen takes l over. instance knows an instance by its id and token.
func Listen(l net.Listener, instance func(id, token string) (lamina.Instance, bool)) *Listener {
	ctx, end := context.WithCancel(context.Background())
	d := &Listener{Listener: l, instance: instance, visits: make(chan *Conn), ended: ctx.Done(), end: end}
	d.work.Go(func() { d.accept(ctx) })
	return d
}

// Conn is an environment's connection.
type Conn struct {
	net.Conn
	r     *bufio.Reader
	Visit Visit
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) { return c.r.Read(p) }

// accept ends with the listener.
func (l *Listener) accept(ctx context.Context) {
	for {
		c, err := wire.Accept(l.Listener)
		if err != nil {
			return
		}
		l.work.Go(func() { l.admit(ctx, c) })
	}
}

func (l *Listener) admit(ctx context.Context, raw net.Conn) {
	c := &Conn{Conn: raw, r: bufio.NewReaderSize(raw, 4<<10)}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	if known := l.knows(c); !stop() || !known {
		raw.Close()
		return
	}
	select {
	case l.visits <- c:
	case <-ctx.Done():
		raw.Close()
	}
}

func (l *Listener) knows(c *Conn) bool {
	if c.SetReadDeadline(time.Now().Add(stepLimit)) != nil {
		return false
	}
	step, err := wire.ReadDoorstep(c.r)
	if err != nil {
		return false
	}
	inst, ok := l.instance(step.InstanceID, step.Token)
	to, err := netip.ParseAddrPort(step.To)
	if !ok || err != nil {
		return false
	}
	c.Visit = Visit{inst, to}
	return c.SetReadDeadline(time.Time{}) == nil
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.visits:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	l.end()
	l.work.Wait()
	return err
}

type visitKey struct{}

// ConnContext is http.Server's hook.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if v, ok := c.(*Conn); ok {
		return context.WithValue(ctx, visitKey{}, v.Visit)
	}
	return ctx
}

// Visited says whether a request came through the door.
func Visited(r *http.Request) bool {
	_, ok := visitOf(r)
	return ok
}

// visitOf is who stands behind a request's connection.
func visitOf(r *http.Request) (Visit, bool) {
	v, ok := r.Context().Value(visitKey{}).(Visit)
	return v, ok
}
