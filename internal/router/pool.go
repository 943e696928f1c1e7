package router

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/lamina-dev/lamina/internal/wire"
)

// maxIdle bounds the connections kept per agent for calls that need one of their
// own; where more of these run at once, further ones are opened and not kept.
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
// error means that there is no connection, or was none any more.
func (p *pools) run(addr string, k *call, in *wire.Invoke) error {
	if in.Stream || in.Size() >= largeCall {
		one := p.of(addr)
		c, err := p.own(one, addr)
		if err != nil {
			return err
		}
		defer one.put(c)
		if !c.run(k, in) {
			return errUnsent
		}
		return nil
	}
	for range 2 { // another's late call may just have retired the first
		c, err := p.share(addr)
		if err != nil {
			return err
		}
		if c.run(k, in) {
			return nil
		}
	}
	return errUnsent
}

// share gives the connection that small calls have in common. Who waits for one
// that is being dialled has what comes of that.
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
	if one.isClosed() {
		return nil, errUnsent
	}
	c, err := p.open(addr)
	if err != nil {
		p.forget(addr)
		return nil, err
	}
	if !one.keep(c) {
		c.Close()
		return nil, errUnsent
	}
	return c, nil
}

// own gives a connection for one call, which one.put takes back.
func (p *pools) own(one *pool, addr string) (*conn, error) {
	if c := one.pop(); c != nil {
		return c, nil
	}
	c, err := p.open(addr)
	switch {
	case err == nil:
		return c, nil
	case one.shared.Load() == nil:
		p.forget(addr)
	default:
		one.drop()
	}
	return nil, err
}

func (p *pools) open(addr string) (*conn, error) {
	c, err := p.dial(addr)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

func (p *pool) put(c *conn) {
	if !c.usable() || !p.push(c) {
		c.retire()
	}
}

// forget drops the connections to an agent that can't be reached. Calls that
// are on them go on.
func (p *pools) forget(addr string) {
	if one, ok := p.perTo.LoadAndDelete(addr); ok {
		one.(*pool).close()
	}
}

// sweep forgets the agents that have ended: nobody reads an idle connection and
// so notices, and each keeps a descriptor.
func (p *pools) sweep() {
	for addr, one := range p.perTo.Range {
		if one.(*pool).over() {
			p.forget(addr.(string))
		}
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

// keep makes c the shared connection; false: the pool is closed.
func (p *pool) keep(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.shared.Store(c)
	}
	return !p.closed
}

func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// over: the agent has ended its connections.
func (p *pool) over() bool {
	c := p.shared.Load()
	if c == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.idle) == 0 {
			return false
		}
		c = p.idle[0]
	}
	return c.over()
}

// drop closes the idle connections.
func (p *pool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.retire()
	}
	p.idle = nil
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	if c := p.shared.Load(); c != nil {
		c.retire()
	}
	p.drop()
}
