package bed

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/lamina-dev/lamina/internal/check/trace"
)

// Measure looks at the processes; false where they can't be looked at.
func (e *Environment) Measure() (m trace.Measure, ok bool) {
	for _, pid := range tree(e.proc.PID()) {
		m.Processes++
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // gone meanwhile
		}
		m.Memory += field(status, "RssAnon:") << 10
		m.Threads += int(field(status, "Threads:"))
		names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err == nil {
			m.Descriptors += len(names)
			ok = true
		}
	}
	return m, ok
}

// field reads a number of /proc/PID/status.
func field(status []byte, name string) int64 {
	_, rest, _ := strings.Cut(string(status), "\n"+name)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n
}

// tree is a process and all that descend from it.
func tree(pid int) (pids []int) {
	pids = []int{pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, childrenOf(pids[i])...)
	}
	return pids
}

func childrenOf(pid int) (pids []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for f := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(f); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// Workers are the processes that may be held and let go one by one: those of Python.
func (e *Environment) Workers() []int { return childrenOf(e.proc.PID()) }

// Hold stops a worker until the returned call. A worker that is gone is none.
func (e *Environment) Hold(pid int) (release func()) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
}
