package router

import (
	"bufio"
	"bytes"
	"net"
	"sync"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// maxIdle bounds the connections kept per agent; an agent with more parallel
// invocations opens further ones.
const maxIdle = 256

// conn is a connection to an agent's invoke listener: one invocation at a time.
type conn struct {
	net.Conn
	addr string
	r    *bufio.Reader
	w    *bufio.Writer
}

// answer reads one whole answer. What streams goes to the sink, and the result
// is then the one that came after it.
func (c *conn) answer(sink lamina.Sink) (res wire.Result, body []byte, streamed bool, err error) {
	if res, err = wire.ReadResult(c.r); err != nil {
		return res, nil, false, err
	}
	if res.Outcome == wire.OutcomeStream {
		if err := c.pass(sink, res.ContentType); err != nil {
			return res, nil, true, err
		}
		streamed = true
		if res, err = wire.ReadResult(c.r); err != nil {
			return res, nil, true, err
		}
	}
	var all bytes.Buffer
	if _, err := all.ReadFrom(wire.NewBody(c.r)); err != nil {
		return res, nil, streamed, err
	}
	return res, all.Bytes(), streamed, nil
}

// pools keeps idle connections, newest first, per agent.
type pools struct {
	dial  func(addr string) (net.Conn, error)
	perTo sync.Map // addr → *pool
}

type pool struct {
	mu     sync.Mutex
	idle   []*conn
	closed bool
}

func (p *pools) get(addr string) (*conn, error) {
	if one, ok := p.perTo.Load(addr); ok {
		if c := one.(*pool).pop(); c != nil {
			return c, nil
		}
	}
	c, err := p.dial(addr)
	if err != nil {
		p.forget(addr)
		return nil, err
	}
	return &conn{Conn: c, addr: addr, r: bufio.NewReaderSize(c, 8<<10), w: bufio.NewWriterSize(c, 8<<10)}, nil
}

func (p *pools) put(c *conn) {
	one, ok := p.perTo.Load(c.addr)
	if !ok {
		one, _ = p.perTo.LoadOrStore(c.addr, new(pool))
	}
	if !one.(*pool).push(c) {
		c.Close()
	}
}

// forget drops the idle connections to an agent that can't be reached.
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
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
}
