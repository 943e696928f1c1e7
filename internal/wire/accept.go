package wire

import (
	"errors"
	"net"
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

func passes(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
