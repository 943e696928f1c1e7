package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/cgroup"
	"github.com/lamina-dev/lamina/internal/sandbox/reaper"
)

// process is one running container. Its runtime has gone; its first process,
// for gVisor the sandbox around it, is a child of ours.
type process struct {
	*sandbox.Lifetime
	d        *Driver
	id       string
	spec     sandbox.Spec
	first    *os.Process
	group    *cgroup.Group // nil without cgroups
	commands commands
	child    *reaper.Child // the command, where the first process is its reaper and tells of it; else nil
}

// gate holds a container's output back until the runtime has started it: up to
// then, what is written are the runtime's own complaints.
type gate struct {
	open     chan struct{}
	log      func(sandbox.Stream, []byte) // set before open is closed; nil keeps lines as complaints
	mu       sync.Mutex
	complain []string
}

func (g *gate) line(stream sandbox.Stream, line []byte) {
	<-g.open
	if g.log != nil {
		g.log(stream, line)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.complain = append(g.complain, string(line))
}

// release lets the output go to log.
func (g *gate) release(log func(sandbox.Stream, []byte)) {
	if g.log = log; log == nil {
		g.log = func(sandbox.Stream, []byte) {}
	}
	close(g.open)
}

// run has the runtime start a container. It takes over group.
func (d *Driver) run(ctx context.Context, spec sandbox.Spec, bundle string, group *cgroup.Group) (*process, error) {
	g := &gate{open: make(chan struct{})}
	output, err := sandbox.OpenOutput(g.line)
	if err != nil {
		close(g.open)
		group.Remove()
		return nil, err
	}
	p := &process{d: d, id: spec.ID, spec: spec, group: group, Lifetime: sandbox.NewLifetime(output)}
	if err = p.begin(ctx, bundle, output); err == nil {
		g.release(spec.Log)
		go p.watch() // ends with the container; Done tells
		return p, nil
	}
	close(g.open)
	d.clear(spec.ID, group)
	output.Drain(sandbox.DrainTime)
	return nil, g.fault(d.cfg.Kind, err)
}

// begin runs the runtime to its end, and hears that the command has begun.
func (p *process) begin(ctx context.Context, bundle string, output *sandbox.Output) error {
	told, files, err := p.files()
	if err != nil {
		output.CloseEnds()
		return err
	}
	pidFile := filepath.Join(bundle, "pid")
	cmd := p.d.command.run(p.id, bundle, pidFile, files...)
	cmd.Dir = bundle
	cmd.Stdout, cmd.Stderr = output.Ends()
	p.first, err = await(ctx, p.spec.CPUs, cmd, pidFile)
	output.CloseEnds()
	for _, f := range files {
		f.Close()
	}
	if err != nil || told == nil {
		told.Close() // nil is no harm
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.first.Kill() }) // ended by itself: as good
	defer stop()
	if p.child, err = reaper.Hear(p.first.Pid, told); err != nil {
		told.Close()
		_ = p.first.Kill()
		_, _ = p.first.Wait() // it is over in any case
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			err = fmt.Errorf("Runtime.InvalidEntrypoint: running %s: %w", p.spec.Argv[0], errno)
		}
		return err
	}
	return nil
}

// files are what the reaper of a runc container has besides its output: nothing,
// and the end of a pipe at reaper.FD. gVisor tells of the command by its own end.
// What is written there comes out of told.
func (p *process) files() (told *os.File, list []*os.File, err error) {
	if !p.d.reaped(p.spec) || p.d.cfg.Kind != Runc {
		return nil, nil, nil
	}
	none, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, err
	}
	told, theirs, err := os.Pipe()
	if err != nil {
		none.Close()
		return nil, nil, err
	}
	return told, []*os.File{none, theirs}, nil
}

// await runs the runtime to its end and finds the container's first process.
func await(ctx context.Context, cpus []int, cmd *exec.Cmd, pidFile string) (*os.Process, error) {
	if err := sandbox.StartOn(cpus, cmd); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // ended by itself: as good
	err := cmd.Wait()
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(pidFile)
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, fmt.Errorf("reading the container's process id: %w", err)
	}
	return os.FindProcess(pid)
}

// fault puts the runtime's complaints into the error.
func (g *gate) fault(kind Kind, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.complain) == 0 || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return fmt.Errorf("%s: %s", kind, strings.Join(g.complain, "; "))
}

// clear removes all that a runtime keeps of a container, its processes first.
func (d *Driver) clear(id string, group *cgroup.Group) {
	d.reapGofer(id)
	group.Kill()
	_ = d.command.delete(id) // there may be nothing; what stays is below Dir and goes with it
	group.Remove()
}

// reapGofer takes the exit status of gVisor's file server, which ends with its
// sandbox and is a child of ours; a deletion would wait for it in vain.
func (d *Driver) reapGofer(id string) {
	files, _ := filepath.Glob(filepath.Join(d.command.state, id+"_*.state"))
	if d.cfg.Kind != Runsc || len(files) != 1 {
		return
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return
	}
	var known struct {
		GoferPid int `json:"goferPid"`
	}
	if json.Unmarshal(data, &known) != nil || known.GoferPid <= 1 {
		return
	}
	if gofer, err := os.FindProcess(known.GoferPid); err == nil {
		_ = gofer.Kill()
		_, _ = gofer.Wait() // not ours, when the start failed half way
	}
}

// gVisor's process on the host ends with a status that says, as a shell does,
// which signal ended the function. One that ends so by itself is taken for that.
const (
	signalled  = 128
	lastSignal = 64
)

func (k Kind) exit(e sandbox.Exit) sandbox.Exit {
	if n := e.Code - signalled; k == Runsc && n > 0 && n <= lastSignal {
		return sandbox.Exit{Code: -1, Signal: syscall.Signal(n)}
	}
	return e
}

// watch waits for the first process, then leaves nothing behind.
func (p *process) watch() {
	state, _ := p.first.Wait() // how it ended is in the state
	p.Reaped()
	exit := p.child.Exit(p.d.cfg.Kind.exit(sandbox.ExitOf(state)))
	exit.OOM = exit.Signal == syscall.SIGKILL && p.group.OOMKills() > 0
	p.commands.close()
	p.d.clear(p.id, p.group)
	p.End(exit)
}

// PID implements sandbox.Process.
func (p *process) PID() int { return p.child.PIDOr(p.first.Pid) }

// firstCommand is the PID, in gVisor, of what the reaper starts.
const firstCommand = "2"

// Signal implements sandbox.Process. What the host sees of gVisor is not the
// function, so that runtime passes the signal on.
func (p *process) Signal(sig os.Signal) error {
	err := p.Unreaped(func() error {
		n, ok := sig.(syscall.Signal)
		reaped := p.d.reaped(p.spec)
		switch {
		case ok && p.d.cfg.Kind == Runsc && reaped:
			return p.d.command.killOne(p.id, firstCommand, strconv.Itoa(int(n)))
		case ok && p.d.cfg.Kind == Runsc:
			return p.d.command.kill(p.id, strconv.Itoa(int(n)))
		case ok && p.child != nil:
			return p.child.Signal(n)
		}
		return p.first.Signal(sig)
	})
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signalling environment %s: %w", p.id, err)
	}
	return nil
}

// Kill implements sandbox.Process: the kernel ends all processes of a PID
// namespace with its first, and gVisor's with its sandbox.
func (p *process) Kill() error {
	if err := p.first.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing environment %s: %w", p.id, err)
	}
	return nil
}

// Usage implements sandbox.Process.
func (p *process) Usage() (u sandbox.Usage, err error) {
	err = p.Unreaped(func() error {
		if u, err = p.group.Usage(); err == nil {
			return nil
		}
		u, err = sandbox.TreeUsage(p.first.Pid)
		p.commands.addUsage(&u)
		return err
	})
	return u, err
}
