package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

type handle struct{ file *os.File }

func (h handle) close() { h.file.Close() }

// New makes a namespace in which only loopback is up.
func New() (*Namespace, error) {
	type made struct {
		file *os.File
		err  error
	}
	done := make(chan made, 1)
	go func() { // ends at once
		// Never unlocked: the thread, which stays in the namespace, ends with the goroutine.
		runtime.LockOSThread()
		file, err := unshare()
		done <- made{file, err}
	}()
	m := <-done
	if m.err != nil {
		return nil, m.err
	}
	return &Namespace{handle: handle{m.file}}, nil
}

func unshare() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return nil, fmt.Errorf("bringing loopback up: %w", err)
	}
	return open()
}

func open() (*os.File, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the network namespace: %w", err)
	}
	return os.NewFile(uintptr(fd), "netns"), nil
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

// FD is the namespace's descriptor, valid until Close.
func (n *Namespace) FD() int { return int(n.file.Fd()) }

// Path is for another program of this PID namespace, which opens it.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.FD()) }

// Do runs f on a thread inside the namespace. Sockets that f makes, and
// processes it starts, belong there for good.
func (n *Namespace) Do(f func() error) error {
	done := make(chan error, 1)
	go func() { // ends with f
		runtime.LockOSThread()
		home, err := open()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(n.FD(), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("entering the network namespace: %w", err)
			return
		}
		defer func() {
			// Without privileges on the host there is no way back; the thread, still locked, ends here.
			if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
		}()
		done <- f()
	}()
	return <-done
}

// Listen opens a TCP listener inside the namespace.
func (n *Namespace) Listen(ctx context.Context, addr string) (l net.Listener, err error) {
	err = n.Do(func() error {
		var lc net.ListenConfig
		l, err = lc.Listen(ctx, "tcp4", addr)
		return err
	})
	return l, err
}
