package rawconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// socket reads and writes one file descriptor. Its connection still waits where
// there is nothing to read or no room, and keeps the deadlines.
type socket struct {
	conn    net.Conn
	raw     syscall.RawConn
	in, out transfer
	peek    peek
}

// transfer is one direction of a socket: one transfer at a time.
type transfer struct {
	call uintptr               // SYS_READ or SYS_WRITE
	try  func(fd uintptr) bool // t.once or t.all, made once
	now  func(fd uintptr) bool // t.all, but never again

	mu   sync.Mutex
	p    []byte // what is left to do
	done int
	err  syscall.Errno
}

func newSocket(c interface {
	net.Conn
	syscall.Conn
}) (*socket, bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, false
	}
	s := &socket{conn: c, raw: raw, in: transfer{call: syscall.SYS_READ}, out: transfer{call: syscall.SYS_WRITE}}
	s.in.try, s.out.try, s.peek.look = s.in.once, s.out.all, s.peek.at
	s.out.now = func(fd uintptr) bool { s.out.all(fd); return true }
	return s, true
}

// alive peeks: the end of the stream, or an error, is there to be read.
func (s *socket) alive() bool {
	s.peek.mu.Lock()
	defer s.peek.mu.Unlock()
	return s.raw.Control(s.peek.look) == nil && s.peek.open
}

// peek is a look at a socket.
type peek struct {
	look func(fd uintptr) // p.at, made once
	mu   sync.Mutex
	open bool
}

func (p *peek) at(fd uintptr) {
	var b [1]byte
	n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	p.open = err == 0 && n > 0 || err == syscall.EAGAIN || err == syscall.EINTR
}

// once reads what is there; false: nothing so far.
func (t *transfer) once(fd uintptr) bool {
	n := t.move(fd)
	return n != tryAgain
}

// all writes until nothing is left; false: there is no room.
func (t *transfer) all(fd uintptr) bool {
	for len(t.p) > 0 {
		switch t.move(fd) {
		case tryAgain:
			return false
		case failed:
			return true
		}
	}
	return true
}

// What a system call came to, if not to a number of bytes.
const (
	tryAgain = -1
	failed   = -2
)

// move makes one system call.
func (t *transfer) move(fd uintptr) int {
	for {
		n, _, err := syscall.RawSyscall(t.call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)))
		switch err {
		case 0:
			t.done += int(n)
			t.p = t.p[n:]
			return int(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return tryAgain
		default:
			t.err = err
			return failed
		}
	}
}

// run lets wait, which is of the socket's connection, call try until it is done.
func (t *transfer) run(p []byte, wait func(func(uintptr) bool) error, try func(uintptr) bool) (int, syscall.Errno, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p, t.done, t.err = p, 0, 0
	err := wait(try)
	t.p = nil
	return t.done, t.err, err
}

func (s *socket) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, errno, err := s.in.run(p, s.raw.Read, s.in.try)
	switch {
	case err != nil:
		return 0, s.fail("read", inner(err))
	case errno != 0:
		return 0, s.fail("read", os.NewSyscallError("read", errno))
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s *socket) write(p []byte) (int, error) { return s.writeBy(s.out.try, p) }

func (s *socket) writeNow(p []byte) (int, error) { return s.writeBy(s.out.now, p) }

func (s *socket) writeBy(try func(uintptr) bool, p []byte) (int, error) {
	n, errno, err := s.out.run(p, s.raw.Write, try)
	switch {
	case err != nil:
		return n, s.fail("write", inner(err))
	case errno != 0:
		return n, s.fail("write", os.NewSyscallError("write", errno))
	}
	return n, nil
}

// inner is what a RawConn's error says without its wording.
func inner(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func (s *socket) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: s.conn.LocalAddr().Network(), Source: s.conn.LocalAddr(), Addr: s.conn.RemoteAddr(), Err: err}
}
