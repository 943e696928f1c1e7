package bare

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/bench/rawhttp"
)

// pool matches calls with the runtime's parked polls, newest first: the worker
// that has just run is the one whose memory is warm.
type pool struct {
	mu      sync.Mutex
	idle    []net.Conn
	waiting []chan net.Conn
	callers []*caller
}

// caller runs one event after the other. Its number is the request id.
type caller struct {
	pool *pool
	out  []byte
	id   string
	body []byte        // the answer
	done chan struct{} // it is there
}

func (p *pool) caller() *caller {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &caller{pool: p, id: strconv.Itoa(len(p.callers)), done: make(chan struct{}, 1)}
	p.callers = append(p.callers, c)
	return c
}

func (p *pool) byID(id []byte) *caller {
	n, err := strconv.Atoi(string(id))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || n < 0 || n >= len(p.callers) {
		return nil
	}
	return p.callers[n]
}

func (p *pool) take() net.Conn {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c
	}
	ch := make(chan net.Conn, 1)
	p.waiting = append(p.waiting, ch)
	p.mu.Unlock()
	return <-ch
}

func (p *pool) park(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.waiting[0] <- c
		p.waiting = p.waiting[1:]
		return
	}
	p.idle = append(p.idle, c)
}

// call gives the event to a parked poll and waits for the answer, which is
// valid until the next call.
func (c *caller) call(event []byte) ([]byte, error) {
	c.out = append(append(c.out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "...), c.id...)
	c.out = strconv.AppendInt(append(c.out, "\r\nLambda-Runtime-Deadline-Ms: "...), time.Now().Add(time.Minute).UnixMilli(), 10)
	c.out = rawhttp.AppendBody(append(c.out, "\r\n"...), event)
	for {
		if _, err := c.pool.take().Write(c.out); err == nil { // else the worker is gone
			break
		}
	}
	<-c.done
	return c.body, nil
}

var (
	accepted   = []byte("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n")
	invocation = []byte("/2018-06-01/runtime/invocation/")
)

// serveRuntime is one connection of the runtime's.
func (p *pool) serveRuntime(c net.Conn) {
	r := bufio.NewReaderSize(c, 16<<10)
	var m rawhttp.Message
	for m.Read(r) == nil {
		if m.Get() {
			p.park(c)
			continue
		}
		rest, _ := bytes.CutPrefix(m.Path(), invocation)
		id, _, _ := bytes.Cut(rest, []byte("/"))
		to := p.byID(id)
		if to == nil {
			return
		}
		to.body = append(to.body[:0], m.Body...)
		to.done <- struct{}{}
		if _, err := c.Write(accepted); err != nil {
			return
		}
	}
}
