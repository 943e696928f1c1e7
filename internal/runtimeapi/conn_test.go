package runtimeapi

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestConnectionsAreBounded: a runtime can't take all of its agent's descriptors.
func TestConnectionsAreBounded(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	var open []net.Conn
	for range baseConns + connsPerSlot {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	e.until("all are accepted", func() bool {
		e.conns.mu.Lock()
		defer e.conns.mu.Unlock()
		return len(e.conns.open) == len(open)
	})
	one := e.worker()
	one.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := one.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more: %v", err)
	}
	open[0].Close()
	e.until("one has left", func() bool {
		e.conns.mu.Lock()
		defer e.conns.mu.Unlock()
		return len(e.conns.open) < len(open)
	})
	w := e.worker()
	w.poll()
	e.until("it is parked", func() bool { return e.Idle() == 1 })
}
