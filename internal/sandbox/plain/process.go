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
)

// drainTime bounds the wait for output that an escaped descendant keeps open
// after everything known was killed (chosen).
const drainTime = time.Second

// process is one running environment.
type process struct {
	cmd    *exec.Cmd
	group  *cgroup // nil without cgroups
	pidNS  bool    // the death of the first process is that of all
	output [2]*os.File
	done   chan struct{}
	exit   sandbox.Exit // valid after done

	mu     sync.Mutex
	reaped bool // the PID may belong to someone else by now
}

// run starts cmd with its output going to log and watches it to its end. Once
// started, it owns group.
func run(cmd *exec.Cmd, pidNS bool, group *cgroup, log func(sandbox.Stream, []byte)) (*process, error) {
	p := &process{cmd: cmd, pidNS: pidNS, group: group, done: make(chan struct{})}
	var ends [2]*os.File
	defer func() {
		for _, f := range ends {
			if f != nil {
				f.Close()
			}
		}
	}()
	for i := range ends {
		var err error
		if p.output[i], ends[i], err = os.Pipe(); err != nil {
			p.closeOutput()
			return nil, err
		}
	}
	cmd.Stdout, cmd.Stderr = ends[0], ends[1]
	if err := cmd.Start(); err != nil {
		p.closeOutput()
		return nil, err
	}
	var readers sync.WaitGroup
	for i, f := range p.output {
		readers.Go(func() {
			sandbox.ReadLines(f, func(line []byte) {
				if log != nil {
					log(sandbox.Stream(i), line)
				}
			})
		})
	}
	go p.watch(&readers)
	return p, nil
}

func (p *process) closeOutput() {
	for _, f := range p.output {
		if f != nil {
			f.Close()
		}
	}
}

// watch waits for the first process, then leaves nothing behind.
func (p *process) watch(readers *sync.WaitGroup) {
	err := p.cmd.Wait()
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	p.exit = exitOf(p.cmd.ProcessState, err)
	if !p.pidNS {
		p.killGroup()
	}
	// Readers end with the last writer; only one that left the group can delay them.
	limit := time.AfterFunc(drainTime, func() {
		for _, f := range p.output {
			f.SetReadDeadline(time.Unix(1, 0))
		}
	})
	readers.Wait()
	limit.Stop()
	p.closeOutput()
	if p.group != nil {
		p.exit.OOM = p.exit.Signal == syscall.SIGKILL && p.group.oomKills() > 0
		p.group.remove()
	}
	close(p.done)
}

func exitOf(state *os.ProcessState, err error) sandbox.Exit {
	if state == nil {
		return sandbox.Exit{Code: -1}
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return sandbox.Exit{Code: -1, Signal: ws.Signal()}
	}
	return sandbox.Exit{Code: state.ExitCode()}
}

// killGroup kills what is known of a tree without PID namespace. The group's
// id is not reused while a member lives, and killing none is no harm.
func (p *process) killGroup() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	if p.group != nil {
		p.group.kill()
	}
}

func (p *process) PID() int              { return p.cmd.Process.Pid }
func (p *process) Done() <-chan struct{} { return p.done }

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
	if p.group != nil {
		if u, err := p.group.usage(); err == nil {
			return u, nil
		}
	}
	return treeUsage(p.PID())
}
