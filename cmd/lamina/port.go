package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// listen opens the front door's port, and says who has it when it is taken.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if !errors.Is(err, syscall.EADDRINUSE) {
		if err != nil {
			err = fmt.Errorf("listen on %s: %w; choose another address with --listen ADDR", addr, err)
		}
		return l, err
	}
	holder := "another process"
	if _, port, perr := net.SplitHostPort(addr); perr == nil {
		if h := portHolder(port); h != "" {
			holder = h
		}
	}
	return nil, fmt.Errorf("%s is taken by %s; end it, or choose another address with --listen ADDR, e.g. --listen 127.0.0.1:4567", addr, holder)
}

// portHolder finds the process that listens on a port, from /proc; "" where
// there is none or it may not be seen.
func portHolder(port string) string {
	inodes := listening(port)
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // a bad pattern is the only error
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !inodes[strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")] {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return "process " + pid
		}
		return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
	}
	return ""
}

// listening gives the inodes of sockets that listen on the port.
func listening(port string) map[string]bool {
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		return nil
	}
	inodes := map[string]bool{}
	suffix := fmt.Sprintf(":%04X", number)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			c := strings.Fields(lines.Text())
			if len(c) > 9 && strings.HasSuffix(c[1], suffix) && c[3] == "0A" {
				inodes[c[9]] = true
			}
		}
		f.Close()
	}
	return inodes
}
