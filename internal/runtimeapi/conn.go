package runtimeapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/rawconn"
	"github.com/lamina-dev/lamina/internal/wire"
)

// maxHeaderBytes leaves room for the X-Ray cause header, which may near 1 MiB.
const maxHeaderBytes = 2 << 20

// conn is a connection of the runtime's. Requests are parsed by net/http, but
// served without it: its read-ahead goroutine, contexts and header maps cost
// more than all else that an agent does for an invocation.
type conn struct {
	net.Conn
	r    *bufio.Reader
	left int64  // bytes that may be read: bounds a request's head
	out  []byte // the answer, used again
	last bool   // close after this answer

	given *call // the last one whose event it brought; guarded by Server.mu

	agent, kind string // the last User-Agent and Content-Type that quickHead saw

	trailing trailing // the body that is being read, if it has trailers
}

func newConn(c net.Conn) *conn {
	w := &conn{Conn: rawconn.New(c)}
	w.r = bufio.NewReader((*bounded)(w))
	return w
}

// alive looks for the end of the stream without reading from it, lest an event
// be written into the void.
func (w *conn) alive() bool { return rawconn.Alive(w.Conn) }

// breakOff lets a running read fail.
func (w *conn) breakOff() { w.SetReadDeadline(time.Unix(1, 0)) }

// bounded is a conn as the source of its reader.
type bounded conn

var errHeadTooLarge = errors.New("request head over the limit")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errHeadTooLarge
	}
	n, err := b.Conn.Read(p)
	b.left -= int64(n)
	return n, err
}

// serve answers one request after the other.
func (s *Server) serve(w *conn) {
	defer func() {
		s.mu.Lock()
		s.movedOn(w)
		s.unlock()
	}()
	for {
		w.left = maxHeaderBytes
		if h, ok := w.quickHead(); ok {
			w.left = math.MaxInt64
			if !s.serveQuick(w, h) {
				return
			}
			continue
		}
		r, err := http.ReadRequest(w.r)
		if err != nil {
			w.refuse(err)
			return
		}
		w.left = math.MaxInt64
		w.last = r.Close || !r.ProtoAtLeast(1, 1) || r.Method == http.MethodHead
		if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
			if _, err := io.WriteString(w, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
		if !s.handle(w, r) || w.last || !drained(r) {
			return
		}
	}
}

// refuse answers a head that is none; a connection that ended gets nothing.
func (w *conn) refuse(err error) {
	w.last = true
	var broken net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
	case errors.Is(err, errHeadTooLarge):
		w.answer(http.StatusRequestHeaderFieldsTooLarge, typeText, []byte("431 Request Header Fields Too Large"))
	default:
		w.answer(http.StatusBadRequest, typeText, []byte("400 Bad Request"))
	}
}

// drained reads what a handler left of a body, within bounds.
func drained(r *http.Request) bool {
	if r.Body == http.NoBody {
		return true
	}
	_, err := io.CopyN(io.Discard, r.Body, maxDrain)
	return errors.Is(err, io.EOF)
}

// answer sends a whole response. A runtime that is gone is noticed at the next read.
func (w *conn) answer(status int, contentType string, body []byte) {
	w.answerWith(status, contentType, "", "", body)
}

// answerWith is answer with one header more.
func (w *conn) answerWith(status int, contentType, name, value string, body []byte) {
	b := append(w.out[:0], "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(status), 10), ' ')
	b = append(append(b, http.StatusText(status)...), "\r\n"...)
	b = appendHeader(appendHeader(b, "Content-Type", contentType), name, value)
	if w.last {
		b = append(b, "Connection: close\r\n"...)
	}
	_ = w.finish(b, body)
}

// finish ends the head b and writes it with the body, at once if it is short.
func (w *conn) finish(b, body []byte) (err error) {
	b = endHead(b, body)
	if len(body) < largeEvent {
		b = append(b, body...)
		_, err = w.Write(b)
	} else {
		parts := net.Buffers{b, body}
		_, err = parts.WriteTo(w.Conn)
	}
	w.out = b[:0]
	return err
}

func endHead(b, body []byte) []byte {
	b = strconv.AppendInt(append(b, "Content-Length: "...), int64(len(body)), 10)
	return append(b, "\r\n\r\n"...)
}

// errNoRoom is of a worker that has not read what it was sent before.
var errNoRoom = errors.New("the worker's socket has no room")

// finishNow is finish for what must not wait for the worker.
func (w *conn) finishNow(b, body []byte) error {
	b = append(endHead(b, body), body...)
	n, err := rawconn.WriteNow(w.Conn, b)
	if err == nil && n < len(b) {
		err = errNoRoom
	}
	w.out = b[:0]
	return err
}

// connections are a Server's listener and what it has accepted.
type connections struct {
	mu       sync.Mutex
	closed   bool
	listener net.Listener
	open     map[net.Conn]struct{}
}

// listen notes the listener; it is false after close.
func (c *connections) listen(l net.Listener) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener, c.open = l, map[net.Conn]struct{}{}
	return !c.closed
}

// add notes a connection; it is false after close and beyond most.
func (c *connections) add(one net.Conn, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.open) >= most {
		return false
	}
	c.open[one] = struct{}{}
	return true
}

func (c *connections) remove(one net.Conn) {
	one.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, one)
}

func (c *connections) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *connections) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	for one := range c.open {
		one.Close()
	}
	if c.listener == nil {
		return nil
	}
	return c.listener.Close()
}

// How many connections one environment may have open, lest it take all of its
// agent's descriptors (chosen): a worker has one or two, extensions one each.
const (
	baseConns    = 256
	connsPerSlot = 8
)

// Serve answers the runtime on l until ctx ends or Close, and returns when no
// connection is left; l is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	defer s.tel.end()
	var all sync.WaitGroup
	defer all.Wait()
	defer s.conns.close()
	if !s.conns.listen(l) {
		return l.Close()
	}
	most := baseConns + connsPerSlot*s.cfg.MaxConcurrency
	for {
		c, err := wire.Accept(l)
		switch {
		case err == nil && s.conns.add(c, most):
			all.Go(func() {
				defer s.conns.remove(c)
				s.serve(newConn(c))
			})
		case err == nil:
			c.Close()
		case s.conns.isClosed():
			return nil
		default:
			return fmt.Errorf("serving the runtime API on %s: %w", l.Addr(), err)
		}
	}
}
