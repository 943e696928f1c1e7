package oci

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// initArg is the argument of the first process of an environment that runs several commands.
const initArg = "sandbox-hold"

// hold is that process: it does nothing, for good. The kernel reaps the orphans
// of whoever ignores their deaths.
func hold() {
	signal.Ignore(syscall.SIGCHLD)
	for {
		time.Sleep(time.Hour)
	}
}

// commands are what runs in a container besides its first process.
type commands struct {
	mu      sync.Mutex
	over    bool
	running map[*execed]struct{}
	ends    sync.WaitGroup
}

// execed is one of them, or its stand-in on the host: a child of ours either way.
type execed struct {
	*sandbox.Lifetime
	p      *process
	first  *os.Process
	inner  string         // gVisor's own number of it
	killed syscall.Signal // the last one sent while unreaped, for what the stand-in can't tell
}

var errNotInit = errors.New("the environment was not started to run further commands, or has ended")

// Exec implements sandbox.Executor.
func (p *process) Exec(ctx context.Context, c sandbox.Command) (sandbox.Process, error) {
	e, err := p.exec(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	return e, nil
}

func (p *process) exec(ctx context.Context, c sandbox.Command) (*execed, error) {
	if !p.spec.Init {
		return nil, errNotInit
	}
	spec := p.spec
	spec.Init, spec.Argv, spec.Env, spec.Log = false, c.Argv, c.Env, c.Log
	spec.WorkDir = cmp.Or(c.WorkDir, sandbox.ServiceLayout.Task)
	if err := p.d.checkCommand(&spec); err != nil {
		return nil, err
	}
	dir := filepath.Join(spec.Dir, "bundle", "exec-"+c.Name)
	data, err := json.Marshal(p.d.process(spec))
	if err == nil {
		err = errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "process.json"), data, 0o600))
	}
	if err != nil {
		return nil, err
	}
	return p.start(ctx, dir, spec.Log)
}

// start has the runtime run what is described in dir.
func (p *process) start(ctx context.Context, dir string, log func(sandbox.Stream, []byte)) (*execed, error) {
	g := &gate{open: make(chan struct{})}
	output, err := sandbox.OpenOutput(g.line)
	if err != nil {
		close(g.open)
		return nil, err
	}
	pidFile, innerPid := filepath.Join(dir, "pid"), filepath.Join(dir, "inner-pid")
	cmd := p.d.command.more(p.id, filepath.Join(dir, "process.json"), pidFile, innerPid)
	cmd.Stdout, cmd.Stderr = output.Ends()
	first, err := await(ctx, p.spec.CPUs, cmd, pidFile)
	output.CloseEnds()
	if err != nil {
		close(g.open)
		output.Drain(sandbox.DrainTime)
		return nil, g.fault(p.d.cfg.Kind, err)
	}
	g.release(log)
	e := &execed{p: p, first: first, Lifetime: sandbox.NewLifetime(output)}
	if p.d.cfg.Kind == Runsc {
		data, err := os.ReadFile(innerPid)
		if err != nil {
			_ = first.Kill() // only the stand-in; the environment can't go on
			_, _ = first.Wait()
			output.Drain(sandbox.DrainTime)
			return nil, err
		}
		e.inner = strings.TrimSpace(string(data))
	}
	p.commands.watch(e)
	return e, nil
}

// watch follows e to its end, in the background; close waits.
func (c *commands) watch(e *execed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		c.running = map[*execed]struct{}{}
	}
	c.running[e] = struct{}{}
	if c.over {
		_ = e.first.Kill() // its container is gone
	}
	c.ends.Go(func() {
		exit := e.wait()
		c.mu.Lock()
		delete(c.running, e)
		c.mu.Unlock()
		e.End(exit)
	})
}

// close waits for all of them, once the container is gone.
func (c *commands) close() {
	c.mu.Lock()
	c.over = true
	for e := range c.running {
		_ = e.first.Kill() // dead with the container, save stand-ins
	}
	c.mu.Unlock()
	c.ends.Wait()
}

// addUsage is for hosts without cgroups: none of them is a child of the first process.
func (c *commands) addUsage(sum *sandbox.Usage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := range c.running {
		if u, err := sandbox.TreeUsage(e.first.Pid); err == nil {
			sum.CPU += u.CPU
			sum.MemoryBytes += u.MemoryBytes
		}
	}
}

func (e *execed) wait() sandbox.Exit {
	state, _ := e.first.Wait() // how it ended is in the state
	e.Reaped()
	exit := sandbox.ExitOf(state)
	if e.inner != "" && e.killed != 0 && exit.Code == 128+int(e.killed) {
		exit = sandbox.Exit{Code: -1, Signal: e.killed}
	}
	exit.OOM = exit.Signal == syscall.SIGKILL && e.p.group.OOMKills() > 0
	return exit
}

// PID implements sandbox.Process.
func (e *execed) PID() int { return e.first.Pid }

// Signal implements sandbox.Process.
func (e *execed) Signal(sig os.Signal) error {
	n, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("no signal of this system: %v", sig)
	}
	return e.signal(n, false)
}

// Kill implements sandbox.Process.
func (e *execed) Kill() error { return e.signal(syscall.SIGKILL, true) }

func (e *execed) signal(n syscall.Signal, group bool) error {
	err := e.Unreaped(func() error {
		e.killed = n
		switch {
		case e.inner != "":
			return e.p.d.command.killOne(e.p.id, e.inner, strconv.Itoa(int(n)))
		case group:
			return syscall.Kill(-e.first.Pid, n)
		default:
			return e.first.Signal(n)
		}
	})
	if err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling a command of environment %s: %w", e.p.id, err)
	}
	return nil
}

// Usage implements sandbox.Process: of gVisor's commands only the whole environment's is known.
func (e *execed) Usage() (u sandbox.Usage, err error) {
	err = e.Unreaped(func() error {
		u, err = sandbox.TreeUsage(e.first.Pid)
		return err
	})
	return u, err
}

// Dial implements sandbox.Dialer.
func (p *process) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return sandbox.DialIn(ctx, p.first.Pid, network, addr)
}
