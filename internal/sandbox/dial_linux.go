package sandbox

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// DialIn connects to an IP address from the network of the process pid.
func DialIn(ctx context.Context, pid int, network, addr string) (net.Conn, error) {
	path := fmt.Sprintf("/proc/%d/ns/net", pid)
	theirs, err := os.Readlink(path)
	if err != nil {
		return nil, fmt.Errorf("finding the network of process %d: %w", pid, err)
	}
	// Not /proc/self: the first thread may be one that was left in an environment's network.
	if ours, err := os.Readlink("/proc/thread-self/ns/net"); err == nil && ours == theirs {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
	type dialed struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialed, 1)
	go func() { // ends with the dial, which ctx bounds
		// Never unlocked: the thread, which is in the other network, ends with the goroutine.
		runtime.LockOSThread()
		conn, err := dialFrom(ctx, path, network, addr)
		done <- dialed{conn, err}
	}()
	o := <-done
	return o.conn, o.err
}

// dialFrom moves its thread for good. A socket stays in the network it was made in.
func dialFrom(ctx context.Context, path, network, addr string) (net.Conn, error) {
	ns, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering the environment's network: %w", err)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}
