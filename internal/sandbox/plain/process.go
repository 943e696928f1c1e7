package plain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/cgroup"
	"github.com/lamina-dev/lamina/internal/sandbox/reaper"
)

// process is one running environment.
type process struct {
	*sandbox.Lifetime
	cmd   *exec.Cmd     // its first process
	group *cgroup.Group // nil without cgroups
	pidNS bool          // the death of the first process is that of all
	child *reaper.Child // the command, where the first process is its reaper; else nil
	// commands are run by the first process, if that is an init; else nil.
	commands *commands
}

// run starts cmd on these CPUs, with its output going to log; watch is then to be
// called. Once started, it owns group. A cmd that becomes an init, for commands in
// workDir, has its socket as the last of its files.
func run(cmd *exec.Cmd, cpus []int, pidNS bool, group *cgroup.Group, log func(sandbox.Stream, []byte), isInit bool, workDir string) (*process, error) {
	output, err := sandbox.OpenOutput(log)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, pidNS: pidNS, group: group, Lifetime: sandbox.NewLifetime(output)}
	cmd.Stdout, cmd.Stderr = output.Ends()
	if isInit {
		conn, theirs, err := socketPair()
		if err != nil {
			output.Close()
			return nil, err
		}
		defer theirs.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
		p.commands = &commands{conn: conn, group: group, workDir: workDir, running: map[int]*command{}}
	}
	if err := sandbox.StartOn(cpus, cmd); err != nil {
		output.Close()
		if isInit {
			p.commands.conn.Close()
		}
		return nil, err
	}
	output.CloseEnds()
	if isInit {
		p.commands.initPID = cmd.Process.Pid
		p.commands.readers.Go(p.commands.follow)
	}
	return p, nil
}

// watch waits for the first process, then leaves nothing behind.
func (p *process) watch() {
	_ = p.cmd.Wait() // how it ended is in the state
	p.Reaped()
	if !p.pidNS {
		p.killGroup()
		p.awaitGroup()
	}
	p.commands.close()
	exit := p.child.Exit(sandbox.ExitOf(p.cmd.ProcessState))
	exit.OOM = exit.Signal == syscall.SIGKILL && p.group.OOMKills() > 0
	p.group.Remove()
	p.End(exit)
}

// killGroup kills what is known of a tree without PID namespace. The group's
// id is not reused while a member lives, and killing none is no harm.
func (p *process) killGroup() {
	p.commands.kill()
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.group.Kill()
}

// awaitGroup waits until the last member of the group is gone: what was killed
// takes a moment to die.
func (p *process) awaitGroup() {
	for end := time.Now().Add(sandbox.DrainTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if errors.Is(syscall.Kill(-p.cmd.Process.Pid, 0), syscall.ESRCH) {
			return
		}
	}
}

// first is the PID of the first process.
func (p *process) first() int { return p.cmd.Process.Pid }

func (p *process) PID() int { return p.child.PIDOr(p.first()) }

func (p *process) Signal(sig os.Signal) error {
	if n, ok := sig.(syscall.Signal); ok && p.child != nil {
		if err := p.Unreaped(func() error { return p.child.Signal(n) }); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signalling process %d: %w", p.PID(), err)
	}
	return nil
}

func (p *process) Kill() error {
	err := p.Unreaped(func() error {
		if !p.pidNS {
			p.killGroup()
		}
		return p.cmd.Process.Kill()
	})
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing process %d: %w", p.first(), err)
	}
	return nil
}

func (p *process) Usage() (u sandbox.Usage, err error) {
	err = p.Unreaped(func() error {
		if u, err = p.group.Usage(); err != nil {
			u, err = sandbox.TreeUsage(p.first())
		}
		return err
	})
	return u, err
}
