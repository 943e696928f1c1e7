package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Each worker of a managed function may connect once to a socket and write lines
// to it, so that those of several never mix (runtime-api.md 1.10); AWS's runtime
// interface clients do. What is on stdout and stderr is read as well.
const (
	logSocketName = "lines"
	// logConnections bounds what a function can take of this process's
	// descriptors, besides one for each worker (chosen).
	logConnections = 64
	acceptPause    = 10 * time.Millisecond
)

// logSocket takes the lines of one environment's workers.
type logSocket struct {
	l    net.Listener
	most int
	emit func([]byte)
	work sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{}
	over bool
}

func socketDirOf(dir string) string { return filepath.Join(dir, "log") }

// listenForLines opens the socket in the environment's folder; nil where workers
// have no use for one.
func (e *environment) listenForLines(dir string) (*logSocket, error) {
	if !e.spec.Managed || runtime.GOOS != "linux" {
		return nil, nil
	}
	folder := socketDirOf(dir)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the workers' log socket: %w", err)
	}
	at, err := os.Open(folder) // the whole path may be longer than a socket's may be
	if err != nil {
		return nil, err
	}
	defer at.Close()
	l, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/%s", at.Fd(), logSocketName))
	if err != nil {
		return nil, fmt.Errorf("open the workers' log socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it goes with its folder
	if err := os.Chmod(filepath.Join(folder, logSocketName), 0o666); err != nil {
		l.Close()
		return nil, err
	}
	s := &logSocket{l: l, most: e.spec.Slots + logConnections, emit: e.logs.line, open: map[net.Conn]struct{}{}}
	s.work.Go(s.accept)
	return s, nil
}

// socketDir is the folder to show to the environment, if it can be shown.
func (e *environment) socketDir(dir string, s sandbox.Spec) string {
	folder := socketDirOf(dir)
	if _, err := os.Stat(folder); err != nil || e.a.cfg.Sandbox.Layout(s) != sandbox.ServiceLayout {
		return ""
	}
	if s.RootDir == "" {
		return folder
	}
	root, err := os.OpenRoot(s.RootDir)
	if err != nil {
		return ""
	}
	defer root.Close()
	if _, err := root.Stat(sandbox.SocketPath[1:]); err != nil {
		return "" // a root file system made before it had a place for that
	}
	return folder
}

func (s *logSocket) accept() {
	for {
		c, err := s.l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // a connection that broke before it was taken, or no descriptor is left
			time.Sleep(acceptPause)
		case s.add(c):
			s.work.Go(func() {
				defer s.remove(c)
				_ = sandbox.ReadLines(c, s.emit) // a worker that died in the middle has said what it has
			})
		default:
			c.Close()
		}
	}
}

func (s *logSocket) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.open) >= s.most {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

func (s *logSocket) remove(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// close returns once the last line was handed over; all writers are dead by then.
func (s *logSocket) close() {
	if s == nil {
		return
	}
	s.l.Close()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.work.Wait()
}
