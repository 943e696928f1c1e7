package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
)

// fails is a listener with one connection, and then an error.
type fails struct {
	net.Listener
	conn net.Conn
	err  error
}

func (f *fails) Accept() (net.Conn, error) {
	if c := f.conn; c != nil {
		f.conn = nil
		return c, nil
	}
	return nil, f.err
}

// However accepting ends, no connection outlives it and the listener is closed.
func TestServeClosesConnections(t *testing.T) {
	for end, want := range map[error]error{net.ErrClosed: nil, syscall.EINVAL: syscall.EINVAL} {
		raw, err := net.Listen("unix", filepath.Join(t.TempDir(), "l"))
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		read := make(chan error, 1)
		err = Serve(t.Context(), &fails{raw, near, end}, func(_ context.Context, c net.Conn) {
			_, err := c.Read(make([]byte, 1))
			read <- err
		})
		if err != want {
			t.Errorf("%v, want %v", err, want)
		}
		if err := <-read; err == nil {
			t.Error("read from a closed connection")
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the other side: %v", err)
		}
		if _, err := raw.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener: %v", err)
		}
	}
}
