package oci

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// apiAddr is where the Runtime API listens inside an environment, as on AWS.
const apiAddr = "127.0.0.1:9001"

// namespace is the network of one environment, which lives as long as anything
// holds it: this file, the listener's socket, the environment's processes.
type namespace struct {
	file *os.File
}

// path is for the container runtime, which opens it.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// listener closes the namespace's file with itself.
type listener struct {
	*net.TCPListener
	close func()
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.close()
	return l.TCPListener.Close()
}

// openNamespace makes a network namespace with a listener inside it.
func openNamespace(ctx context.Context) (*namespace, *net.TCPListener, error) {
	type opened struct {
		n   *namespace
		l   *net.TCPListener
		err error
	}
	done := make(chan opened, 1)
	go func() { // ends at once
		// Never unlocked: the thread, which stays in the namespace, ends with the goroutine.
		runtime.LockOSThread()
		n, l, err := enterNamespace(ctx)
		done <- opened{n, l, err}
	}()
	o := <-done
	return o.n, o.l, o.err
}

func enterNamespace(ctx context.Context) (*namespace, *net.TCPListener, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, nil, fmt.Errorf("making a network namespace: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return nil, nil, fmt.Errorf("bringing loopback up: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", apiAddr)
	if err != nil {
		return nil, nil, err
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		l.Close()
		return nil, nil, fmt.Errorf("opening the network namespace: %w", err)
	}
	return &namespace{os.NewFile(uintptr(fd), "netns")}, l.(*net.TCPListener), nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// namespaces are those between Listen and the listener's Close.
type namespaces struct {
	mu   sync.Mutex
	byID map[string]*namespace
}

func (ns *namespaces) get(id string) *namespace {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.byID[id]
}

func (ns *namespaces) put(id string, n *namespace) (remove func()) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.byID[id] = n
	return sync.OnceFunc(func() {
		ns.mu.Lock()
		defer ns.mu.Unlock()
		delete(ns.byID, id)
		n.file.Close()
	})
}
