package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// isolation is one way to set an agent apart from the host.
type isolation struct {
	name  string
	flags uintptr
}

// isolations are tried in this order; a host's refusal is remembered.
var isolations = func() []isolation {
	plain := []isolation{
		{"user, PID and mount namespaces", unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS},
		{"session", 0},
	}
	if os.Geteuid() == 0 {
		return append([]isolation{{"PID and mount namespaces", unix.CLONE_NEWPID | unix.CLONE_NEWNS}}, plain...)
	}
	return plain
}()

// attr makes the agent init of its PID namespace, so that its death takes all
// its processes along (DESIGN.md 12).
func (i isolation) attr() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Cloneflags: i.flags}
	if i.flags&unix.CLONE_NEWUSER != 0 {
		// Root inside, to be allowed to mount /proc and to nest further namespaces.
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// processStart gives when a process started, in clock ticks since boot.
func processStart(pid int) (start uint64, zombie bool, err error) {
	st, err := readStat(pid)
	return st.start, st.state == 'Z' || st.state == 'X', err
}

// stat is what matters of /proc/PID/stat.
type stat struct {
	state   byte
	session int
	start   uint64
}

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	// The name in parentheses may hold anything, so count from its end.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	session, _ := strconv.Atoi(string(f[3]))
	start, err := strconv.ParseUint(string(f[19]), 10, 64)
	return stat{state: f[0][0], session: session, start: start}, err
}

// wait returns nil once the process is dead, or ctx's error.
func (h handle) wait(ctx context.Context) error {
	if !h.alive() {
		return ctx.Err()
	}
	fd, err := unix.PidfdOpen(h.pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return h.poll(ctx)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	if !h.alive() { // the id may have changed hands before the open
		return ctx.Err()
	}
	err = waitReadable(ctx, f)
	if err != nil && ctx.Err() == nil {
		return h.poll(ctx) // no room in the kernel's poller, say
	}
	return err
}

// waitReadable parks in the runtime's poller: no thread is held.
func waitReadable(ctx context.Context, f *os.File) error {
	stop := context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	err = conn.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return err == nil && n > 0
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

// kill ends the agent, and with it its PID namespace where it has one.
func (h handle) kill() {
	if runs, _ := h.runs(); !runs {
		return // or nobody can tell whose number it is now: whoever waits for the end asks again
	}
	fd, err := unix.PidfdOpen(h.pid, 0)
	if err != nil {
		syscall.Kill(h.pid, syscall.SIGKILL)
		return
	}
	defer unix.Close(fd)
	if runs, _ := h.runs(); runs {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// killSession ends what a dead agent without a PID namespace left in its session.
// A session keeps its number while it has members: where another process has the
// number by now, nothing of ours was left, and what has it is not ours.
func (h handle) killSession() {
	if h.pid == 0 {
		return
	}
	if start, _, err := processStart(h.pid); err == nil && start != h.start {
		return
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == h.pid {
			continue
		}
		if st, err := readStat(pid); err == nil && st.session == h.pid && st.start >= h.start {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
