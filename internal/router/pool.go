package router

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/lamina-dev/lamina/internal/wire"
)

// maxIdle bounds the connections kept per agent for calls that need one of their
// own; an agent with more of these at once opens further ones.
const maxIdle = 256

// pools keeps the connections to agents.
type pools struct {
	dial  func(addr string) (net.Conn, error)
	perTo sync.Map // addr → *pool
}

// pool is what is kept of one agent.
type pool struct {
	dialling sync.Mutex // held by who makes the shared connection

	shared atomic.Pointer[conn] // of small calls; nil before the first one

	mu     sync.Mutex
	idle   []*conn // of others, newest first
	closed bool
}

func (p *pools) of(addr string) *pool {
	one, ok := p.perTo.Load(addr)
	if !ok {
		one, _ = p.perTo.LoadOrStore(addr, new(pool))
	}
	return one.(*pool)
}

// run sends in over a connection to addr and waits for what becomes of k. An
// error means that there is no connection.
func (p *pools) run(addr string, k *call, in *wire.Invoke) error {
	if !in.Stream && in.Size() < largeCall {
		c, err := p.share(addr)
		if err == nil {
			c.run(k, in)
		}
		return err
	}
	c, err := p.own(addr)
	if err == nil {
		c.run(k, in)
		p.put(addr, c)
	}
	return err
}

// share gives the connection that small calls have in common.
func (p *pools) share(addr string) (*conn, error) {
	one := p.of(addr)
	if c := one.current(); c != nil {
		return c, nil
	}
	one.dialling.Lock()
	defer one.dialling.Unlock()
	if c := one.current(); c != nil {
		return c, nil
	}
	c, err := p.open(addr)
	if err != nil {
		return nil, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.closed {
		c.retire() // good for this call
	} else {
		one.shared.Store(c)
	}
	return c, nil
}

// own gives a connection for one call, which put takes back.
func (p *pools) own(addr string) (*conn, error) {
	if c := p.of(addr).pop(); c != nil {
		return c, nil
	}
	return p.open(addr)
}

func (p *pools) open(addr string) (*conn, error) {
	c, err := p.dial(addr)
	if err != nil {
		p.forget(addr)
		return nil, err
	}
	return newConn(c), nil
}

func (p *pools) put(addr string, c *conn) {
	if !c.usable() || !p.of(addr).push(c) {
		c.Close()
	}
}

// forget drops the connections to an agent that can't be reached. Calls that
// are on them go on.
func (p *pools) forget(addr string) {
	if one, ok := p.perTo.LoadAndDelete(addr); ok {
		one.(*pool).close()
	}
}

func (p *pools) close() {
	for addr := range p.perTo.Range {
		p.forget(addr.(string))
	}
}

func (p *pool) current() *conn {
	if c := p.shared.Load(); c != nil && c.usable() {
		return c
	}
	return nil
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

func (p *pool) push(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdle {
		return false
	}
	p.idle = append(p.idle, c)
	return true
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if c := p.shared.Load(); c != nil {
		c.retire()
	}
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
}
