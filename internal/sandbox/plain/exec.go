package plain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// commands are those of one environment, at this end of its init's socket.
type commands struct {
	conn    *net.UnixConn
	initPID int
	group   interface{ OOMKills() int64 }
	workDir string
	readers sync.WaitGroup // of the reports and of the commands' ends

	mu      sync.Mutex
	over    bool // the init is gone, and all with it
	lastID  int
	running map[int]*command
}

// command is one process that an init has started.
type command struct {
	*sandbox.Lifetime
	all     *commands
	id      int
	pid     int             // as the host sees it
	started chan initReport // one, unless the init goes
	ended   chan struct{}
	how     sandbox.Exit // valid after ended
}

// socketPair is this process's end and the init's.
func socketPair() (*net.UnixConn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("making the init's socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "init"), os.NewFile(uintptr(fds[1]), "orders")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

// follow takes the init's reports until it is gone.
func (c *commands) follow() {
	defer c.conn.Close()
	reports := json.NewDecoder(c.conn)
	for {
		var r initReport
		if err := reports.Decode(&r); err != nil {
			break
		}
		c.mu.Lock()
		one := c.running[r.ID]
		if one != nil && (r.Ended || r.Error != "") {
			delete(c.running, r.ID)
		}
		c.mu.Unlock()
		switch {
		case one == nil:
		case r.Ended:
			one.end(r)
		default:
			one.started <- r
		}
	}
	c.mu.Lock()
	left := c.running
	c.over, c.running = true, nil
	c.mu.Unlock()
	for _, one := range left {
		one.end(initReport{Code: -1, Signal: int(syscall.SIGKILL)})
	}
}

func (one *command) end(r initReport) {
	one.how = sandbox.Exit{Code: r.Code, Signal: syscall.Signal(r.Signal)}
	one.how.OOM = one.how.Signal == syscall.SIGKILL && one.all.group.OOMKills() > 0
	close(one.ended)
}

// close waits until nothing of the commands is left, once the init is gone.
func (c *commands) close() {
	if c != nil {
		c.readers.Wait()
	}
}

// kill is for hosts where the init's death is not that of all.
func (c *commands) kill() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.running {
		if one.pid > 1 {
			_ = syscall.Kill(-one.pid, syscall.SIGKILL) // gone already: as good
		}
	}
}

var errNoInit = errors.New("the environment was not started to run further commands, or has ended")

// Exec implements sandbox.Executor.
func (p *process) Exec(ctx context.Context, c sandbox.Command) (sandbox.Process, error) {
	if p.commands == nil {
		return nil, errNoInit
	}
	one, err := p.commands.exec(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	return one, nil
}

func (c *commands) exec(ctx context.Context, spec sandbox.Command) (*command, error) {
	output, err := sandbox.OpenOutput(spec.Log)
	if err != nil {
		return nil, err
	}
	one := &command{all: c, started: make(chan initReport, 1), ended: make(chan struct{}), Lifetime: sandbox.NewLifetime(output)}
	if err := c.order(one, spec, output); err != nil {
		output.Close()
		return nil, err
	}
	c.readers.Go(one.watch)
	select {
	case r := <-one.started:
		return one.begun(r)
	case <-one.ended:
		select {
		case r := <-one.started: // it did start, and was quick
			return one.begun(r)
		default:
		}
		<-one.Done()
		return nil, errNoInit
	case <-ctx.Done():
		_ = one.signal(syscall.SIGKILL, true) // the environment is about to end
		return nil, ctx.Err()
	}
}

// begun takes the init's word on the start.
func (one *command) begun(r initReport) (*command, error) {
	if r.Error != "" {
		close(one.ended)
		<-one.Done()
		return nil, errors.New(r.Error)
	}
	one.all.mu.Lock()
	defer one.all.mu.Unlock()
	one.pid = sandbox.Outside(one.all.initPID, r.PID)
	return one, nil
}

// order enters one and has the init start it.
func (c *commands) order(one *command, spec sandbox.Command, output *sandbox.Output) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return errNoInit
	}
	c.lastID++
	one.id = c.lastID
	stdout, stderr := output.Ends()
	o := initOrder{ID: one.id, Argv: spec.Argv, Env: spec.Env, WorkDir: cmp.Or(spec.WorkDir, c.workDir)}
	if err := writeOrder(c.conn, o, stdout, stderr); err != nil {
		return fmt.Errorf("ordering the environment's init: %w", err)
	}
	output.CloseEnds()
	c.running[one.id] = one
	return nil
}

// watch hands over the last lines.
func (one *command) watch() {
	<-one.ended
	one.End(one.how)
}

func (one *command) signal(sig syscall.Signal, group bool) error {
	c := one.all
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[one.id] == nil {
		return nil
	}
	if err := writeOrder(c.conn, initOrder{ID: one.id, Signal: int(sig), Group: group}); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("signalling process %d: %w", one.pid, err)
	}
	return nil
}

func (one *command) PID() int    { return one.pid }
func (one *command) Kill() error { return one.signal(syscall.SIGKILL, true) }

func (one *command) Signal(sig os.Signal) error {
	n, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signalling process %d: no signal of this system: %v", one.pid, sig)
	}
	return one.signal(n, false)
}

func (one *command) Usage() (sandbox.Usage, error) {
	select {
	case <-one.ended:
		return sandbox.Usage{}, os.ErrProcessDone
	default:
		return sandbox.TreeUsage(one.pid)
	}
}

// Dial implements sandbox.Dialer.
func (p *process) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return sandbox.DialIn(ctx, p.first(), network, addr)
}
