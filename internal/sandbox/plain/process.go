package plain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/cgroup"
)

// drainTime bounds the wait for output that an escaped descendant keeps open
// after everything known was killed (chosen).
const drainTime = time.Second

// process is one running environment.
type process struct {
	cmd    *exec.Cmd
	group  *cgroup.Group // nil without cgroups
	pidNS  bool          // the death of the first process is that of all
	output *sandbox.Output
	done   chan struct{}
	exit   sandbox.Exit // valid after done
	// commands are run by the first process, if that is an init; else nil.
	commands *commands

	mu     sync.Mutex
	reaped bool // the PID may belong to someone else by now
}

// run starts cmd with its output going to log and watches it to its end. Once
// started, it owns group. A cmd that becomes an init, for commands in workDir,
// has its socket as the last of its files.
func run(cmd *exec.Cmd, pidNS bool, group *cgroup.Group, log func(sandbox.Stream, []byte), isInit bool, workDir string) (*process, error) {
	output, err := sandbox.OpenOutput(log)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, pidNS: pidNS, group: group, output: output, done: make(chan struct{})}
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
	if err := cmd.Start(); err != nil {
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
	go p.watch()
	return p, nil
}

// watch waits for the first process, then leaves nothing behind.
func (p *process) watch() {
	_ = p.cmd.Wait() // how it ended is in the state
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	p.exit = sandbox.ExitOf(p.cmd.ProcessState)
	if !p.pidNS {
		p.killGroup()
		p.awaitGroup()
	}
	p.commands.close()
	p.output.Drain(drainTime) // only a descendant that left the group keeps it open
	p.exit.OOM = p.exit.Signal == syscall.SIGKILL && p.group.OOMKills() > 0
	p.group.Remove()
	close(p.done)
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
	for end := time.Now().Add(drainTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if errors.Is(syscall.Kill(-p.cmd.Process.Pid, 0), syscall.ESRCH) {
			return
		}
	}
}

func (p *process) PID() int              { return p.cmd.Process.Pid }
func (p *process) Done() <-chan struct{} { return p.done }

// FlushLog implements sandbox.Flusher.
func (p *process) FlushLog() { p.output.Flush() }

func (p *process) Exit() sandbox.Exit {
	select {
	case <-p.done:
		return p.exit
	default:
		return sandbox.Exit{}
	}
}

func (p *process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signalling process %d: %w", p.PID(), err)
	}
	return nil
}

func (p *process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return nil
	}
	if !p.pidNS {
		p.killGroup()
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing process %d: %w", p.PID(), err)
	}
	return nil
}

func (p *process) Usage() (sandbox.Usage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return sandbox.Usage{}, os.ErrProcessDone
	}
	if u, err := p.group.Usage(); err == nil {
		return u, nil
	}
	return sandbox.TreeUsage(p.PID())
}
