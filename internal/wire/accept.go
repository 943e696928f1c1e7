package wire

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// acceptPause is how long a process without free descriptors waits for one (chosen).
const acceptPause = 10 * time.Millisecond

// Accept takes the next connection. What passes is no reason to listen no more:
// that no descriptor or memory is free, or that the other side went away meanwhile.
func Accept(l net.Listener) (net.Conn, error) {
	for {
		c, err := l.Accept()
		if err == nil || !passes(err) {
			return c, err
		}
		time.Sleep(acceptPause)
	}
}

// Serve hands each connection to handle, in a goroutine of its own, until ctx ends
// or l is closed. It closes l and the connections, and returns when no handle runs.
func Serve(ctx context.Context, l net.Listener, handle func(context.Context, net.Conn)) error {
	var handling sync.WaitGroup
	defer handling.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		c, err := Accept(l)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		handling.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			handle(ctx, c)
		})
	}
}

func passes(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
		syscall.EPROTO, syscall.EPERM, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
