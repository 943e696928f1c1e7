package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// process is a process known by its number and start time, so that a reused number is not taken for it.
type process struct {
	pid   int
	start string
	line  string
}

// traces are what a server and its agents have on this machine.
type traces struct {
	data      string
	processes []process
	cgroups   []string
}

// traces collects the server's and agents' processes with all their descendants, and their cgroups.
func (s *server) traces() traces {
	tr := traces{data: s.data}
	if runtime.GOOS != "linux" {
		return tr
	}
	roots := append(s.agents(), s.cmd.Process.Pid)
	for _, pid := range withDescendants(roots) {
		p, ok := readProcess(pid)
		if !ok {
			continue
		}
		tr.processes = append(tr.processes, p)
		if pid != s.cmd.Process.Pid {
			tr.cgroups = append(tr.cgroups, cgroupsOf(pid)...)
		}
	}
	own := cgroupsOf(os.Getpid())
	slices.Sort(tr.cgroups)
	tr.cgroups = slices.DeleteFunc(slices.Compact(tr.cgroups), func(dir string) bool { return slices.Contains(own, dir) })
	return tr
}

// checkGone fails the test for each trace that is still there; what dies asynchronously gets a moment.
func (tr traces) checkGone(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	var left []string
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if left = tr.left(); len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	for _, l := range left {
		t.Errorf("left behind: %s", l)
	}
}

func (tr traces) left() (left []string) {
	for _, p := range tr.processes {
		if now, ok := readProcess(p.pid); ok && now.start == p.start {
			left = append(left, fmt.Sprintf("process %d %s", p.pid, p.line))
		}
	}
	for _, pid := range allProcesses() {
		if p, ok := readProcess(pid); ok && strings.Contains(p.line, tr.data) {
			left = append(left, fmt.Sprintf("process %d %s", p.pid, p.line))
		}
	}
	for _, dir := range tr.cgroups {
		if _, err := os.Stat(dir); err == nil {
			left = append(left, "cgroup "+dir)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, tr.data) {
			left = append(left, "mount "+line)
		}
	}
	return left
}

// agents gives the process numbers of the server's agents.
func (s *server) agents() (pids []int) {
	ids, _ := filepath.Glob(filepath.Join(s.data, "instances", "i-*"))
	for _, pid := range allProcesses() {
		p, ok := readProcess(pid)
		if ok && slices.ContainsFunc(ids, func(dir string) bool { return strings.HasSuffix(p.line, "agent "+filepath.Base(dir)) }) {
			pids = append(pids, pid)
		}
	}
	return outermost(pids)
}

// outermost drops the processes that have a parent in the list: an agent may consist of several.
func outermost(pids []int) []int {
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return slices.Contains(pids, parentOf(pid)) })
}

func allProcesses() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// readProcess looks a process up; a zombie counts as gone.
func readProcess(pid int) (process, bool) {
	fields := statFields(pid)
	if len(fields) < 20 || fields[0] == "Z" {
		return process{}, false
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return process{}, false
	}
	return process{pid, fields[19], strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))}, true
}

// statFields are the fields of /proc/PID/stat from the state on: state, parent, ….
func statFields(pid int) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
}

func parentOf(pid int) int {
	fields := statFields(pid)
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// withDescendants gives the processes and all below them.
func withDescendants(roots []int) []int {
	children := map[int][]int{}
	for _, pid := range allProcesses() {
		parent := parentOf(pid)
		children[parent] = append(children[parent], pid)
	}
	all := slices.Clone(roots)
	for i := 0; i < len(all); i++ {
		for _, child := range children[all[i]] {
			if !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}

// cgroupsOf gives the folders of a process's cgroups.
func cgroupsOf(pid int) (dirs []string) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || parts[2] == "/" {
			continue
		}
		for _, root := range cgroupRoots(parts[1]) {
			if dir := filepath.Join(root, parts[2]); isDir(dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// cgroupRoots gives where a hierarchy may be mounted; no controllers stand for version 2.
func cgroupRoots(controllers string) []string {
	if controllers == "" {
		return []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}
	}
	return []string{filepath.Join("/sys/fs/cgroup", controllers)}
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
