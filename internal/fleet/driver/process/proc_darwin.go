package process

import (
	"context"
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type isolation struct{ name string }

// isolations: there are no namespaces here, only sessions.
var isolations = []isolation{{"session"}}

func (isolation) attr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

const zombie = 5 // SZOMB

// processStart gives when a process started, in microseconds since 1970.
func processStart(pid int) (start uint64, dead bool, err error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, syscall.EIO) {
		return 0, false, syscall.ESRCH // an answer of no length: there is none
	}
	if err != nil {
		return 0, false, err
	}
	if int(k.Proc.P_pid) != pid {
		return 0, false, syscall.ESRCH
	}
	t := k.Proc.P_starttime
	return uint64(t.Sec)*1e6 + uint64(t.Usec), k.Proc.P_stat == zombie, nil
}

// wait returns nil once the process is dead, or ctx's error.
func (h handle) wait(ctx context.Context) error { return h.poll(ctx) }

// grace lets an agent end its environments, which have process groups of their own.
const grace = time.Second

func (h handle) kill() {
	if runs, _ := h.runs(); !runs {
		return
	}
	syscall.Kill(h.pid, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if h.wait(ctx) != nil {
		syscall.Kill(-h.pid, syscall.SIGKILL)
	}
}

// killSession ends what is left of a dead agent's process group.
func (h handle) killSession() {
	start, _, err := processStart(h.pid)
	if h.pid == 0 || h.alive() || err == nil && start != h.start {
		return // the number is another's by now
	}
	syscall.Kill(-h.pid, syscall.SIGKILL)
}

// hostMemory gives the memory in MiB; how much is free is not asked here.
func hostMemory() (total, free int64) {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0, -1
	}
	return int64(n >> 20), -1
}
