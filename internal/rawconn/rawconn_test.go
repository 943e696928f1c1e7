package rawconn_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/lamina-dev/lamina/internal/rawconn"
)

// pair makes both ends of a connection of a kind.
func pair(t *testing.T, network string) (a, b net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	plain, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	l := rawconn.Listener(plain)
	defer l.Close()
	dialled := make(chan net.Conn, 1)
	go func() { // ends with the dialling
		c, err := net.Dial(network, plain.Addr().String())
		if err != nil {
			t.Error(err)
		}
		dialled <- c
	}()
	a, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, rawconn.New(<-dialled)
}

func kinds(t *testing.T, run func(t *testing.T, a, b net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			defer a.Close()
			defer b.Close()
			run(t, a, b)
		})
	}
}

// The suite that every net.Conn has to pass: I/O, deadlines past, present and
// future, closing in the middle, concurrent use.
func TestConn(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
				a, b = pair(t, network)
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

// More than both sockets hold goes through whole while the reader is slow.
func TestWriteWaitsForRoom(t *testing.T) {
	kinds(t, func(t *testing.T, a, b net.Conn) {
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		wrote := make(chan error, 1)
		go func() { // ends with the writing
			n, err := a.Write(sent)
			if n != len(sent) && err == nil {
				err = io.ErrShortWrite
			}
			wrote <- errors.Join(err, a.(interface{ CloseWrite() error }).CloseWrite())
		}()
		time.Sleep(20 * time.Millisecond)
		got, err := io.ReadAll(b)
		if err := errors.Join(err, <-wrote); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
		}
	})
}

// A deadline cuts a write short and tells how far it got.
func TestShortWrite(t *testing.T) {
	kinds(t, func(t *testing.T, a, b net.Conn) {
		sent := make([]byte, 64<<20)
		if err := a.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := a.Write(sent)
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == len(sent) {
			t.Errorf("%d bytes, %v", n, err)
		}
		a.Close()
		got, err := io.Copy(io.Discard, b)
		if err != nil || int(got) != n {
			t.Errorf("%d of %d bytes arrived, %v", got, n, err)
		}
	})
}

// WriteNow takes what there is room for, and what it left can follow.
func TestWriteNow(t *testing.T) {
	kinds(t, func(t *testing.T, a, b net.Conn) {
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		n, err := rawconn.WriteNow(a, sent)
		if err != nil || n == 0 || n == len(sent) {
			t.Fatalf("%d of %d bytes, %v", n, len(sent), err)
		}
		if more, err := rawconn.WriteNow(a, sent[n:]); err != nil || more > len(sent)/2 {
			t.Errorf("%d more, %v", more, err)
		} else {
			n += more
		}
		wrote := make(chan error, 1)
		go func() { // ends with the writing
			_, err := a.Write(sent[n:])
			wrote <- errors.Join(err, a.(interface{ CloseWrite() error }).CloseWrite())
		}()
		got, err := io.ReadAll(b)
		if err := errors.Join(err, <-wrote); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
		}
	})
	left, right := net.Pipe() // is written as it is, and nobody reads
	defer right.Close()
	if n, err := rawconn.WriteNow(left, []byte("x")); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	left.Close()
	if _, err := rawconn.WriteNow(left, []byte("x")); err == nil {
		t.Error("a closed one was written to")
	}
}

// What went wrong is said as net says it.
func TestErrors(t *testing.T) {
	kinds(t, func(t *testing.T, a, b net.Conn) {
		b.Close()
		if n, err := a.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after the end: %d, %v", n, err)
		}
		var err error
		for range 100 { // TCP hears of it after the first
			if _, err = a.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		op, ok := errors.AsType[*net.OpError](err)
		if !ok || op.Op != "write" || op.Addr == nil || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to nobody: %#v", err)
		}
		a.Close()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed one: %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write to a closed one: %v", err)
		}
	})
}

// A peek sees data and the end, and takes nothing.
func TestAlive(t *testing.T) {
	kinds(t, func(t *testing.T, a, b net.Conn) {
		if !rawconn.Alive(a) {
			t.Error("not alive at rest")
		}
		if _, err := b.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2)
		if !rawconn.Alive(a) {
			t.Error("not alive with data")
		}
		if n, err := a.Read(got); n != 1 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		b.Close()
		if !ended(a) {
			t.Error("alive after the other side closed")
		}
		a.Close()
		if rawconn.Alive(a) {
			t.Error("alive after it was closed")
		}
	})
	left, right := net.Pipe()
	defer left.Close()
	defer right.Close()
	if !rawconn.Alive(left) || rawconn.New(left) != left {
		t.Error("what is no socket is not left as it is")
	}
}

// ended waits for the news of the other side's end.
func ended(c net.Conn) bool {
	for range 1000 {
		if !rawconn.Alive(c) {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}
