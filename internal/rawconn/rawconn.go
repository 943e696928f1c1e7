// Package rawconn makes stream connections whose reads and writes are system
// calls that Go's scheduler does not hear of.
//
// An ordinary read or write tells the scheduler that its thread may be away for
// long. A process that was at rest wakes its monitor thread for that, which then
// looks every 20 µs whether the thread is back, until the process rests again: a
// server and agents that sleep between two messages pay for it three times per
// message, more than for the message itself (docs/decisions/0030). A socket that
// never blocks needs no monitor.
package rawconn

import (
	"errors"
	"net"
	"os"
	"time"
)

// New gives a connection over the same socket as c, which is not to be used
// besides; c itself where that can't be had. All errors are as c's own.
func New(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *net.TCPConn:
		if s, ok := newSocket(c); ok {
			return &tcp{c, s}
		}
	case *net.UnixConn:
		if s, ok := newSocket(c); ok {
			return &unix{c, s}
		}
	}
	return c
}

// Alive looks for the end of what c's other side sends, without reading from it;
// where that can't be told, c counts as alive.
func Alive(c net.Conn) bool {
	a, ok := c.(interface{ alive() bool })
	return !ok || a.alive()
}

// WriteNow writes as much of p as c takes without waiting; of what New did not
// make, as much as it takes within a moment.
func WriteNow(c net.Conn, p []byte) (int, error) {
	if now, ok := c.(interface{ writeNow([]byte) (int, error) }); ok {
		return now.writeNow(p)
	}
	if err := c.SetWriteDeadline(time.Now().Add(moment)); err != nil {
		return 0, err
	}
	n, err := c.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, errors.Join(err, c.SetWriteDeadline(time.Time{}))
}

// moment is how long WriteNow lets an ordinary connection wait (chosen).
const moment = 10 * time.Millisecond

// Listener makes each of l's connections such a one.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(c), nil
}

// tcp and unix have all other methods of their connection, such as CloseWrite.
type tcp struct {
	*net.TCPConn
	*socket
}

func (c *tcp) Read(p []byte) (int, error)  { return c.read(p) }
func (c *tcp) Write(p []byte) (int, error) { return c.write(p) }

type unix struct {
	*net.UnixConn
	*socket
}

func (c *unix) Read(p []byte) (int, error)  { return c.read(p) }
func (c *unix) Write(p []byte) (int, error) { return c.write(p) }
