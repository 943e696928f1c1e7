package agent

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Each worker of a managed function may connect once to a socket and write lines
// to it, so that those of several never mix (runtime-api.md 1.10); AWS's runtime
// interface clients do. What is on stdout and stderr is read as well.
const (
	logSocketName = "lines"
	// logConnections bounds what a function can take of this process's
	// descriptors, besides one for each worker (chosen).
	logConnections = 64
)

// logSocket takes the lines of one environment's workers.
type logSocket struct {
	l    net.Listener
	most int
	emit func([]byte)
	work sync.WaitGroup
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
	s := &logSocket{l: l, most: e.spec.Slots + logConnections, emit: e.logs.line}
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
	places := make(chan struct{}, s.most)
	for {
		c, err := wire.Accept(s.l)
		if err != nil {
			return
		}
		select {
		case places <- struct{}{}:
			s.work.Go(func() {
				_ = sandbox.ReadLines(c, s.emit) // a worker that died in the middle has said what it has
				c.Close()
				<-places
			})
		default:
			c.Close()
		}
	}
}

// close returns once the last line was handed over; all writers are dead by then.
func (s *logSocket) close() {
	if s == nil {
		return
	}
	s.l.Close()
	s.work.Wait()
}
