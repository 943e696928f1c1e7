package process

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
)

// hierarchy is one mounted cgroup tree.
type hierarchy struct {
	root        string
	unified     bool
	controllers map[string]bool // of a v1 tree
}

// wanted are the v1 controllers that an instance uses, for limits or for counting.
var wanted = []string{"cpu", "cpuacct", "memory", "pids", "freezer"}

// trees are all cgroup trees of this host that may be written to.
var trees = sync.OnceValue(func() []hierarchy {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	var found []hierarchy
	for s := bufio.NewScanner(f); s.Scan(); {
		if h, ok := parseMount(s.Text()); ok && syscall.Access(h.root, 2) == nil {
			found = append(found, h)
		}
	}
	return found
})

// hierarchies are the trees in which an instance gets a group.
var hierarchies = sync.OnceValue(func() []hierarchy {
	var found []hierarchy
	for _, h := range trees() {
		if h.unified || len(h.controllers) > 0 {
			found = append(found, h)
		}
	}
	return found
})

// parseMount reads one line of mountinfo; ok when it is a cgroup tree.
func parseMount(line string) (hierarchy, bool) {
	head, tail, ok := strings.Cut(line, " - ")
	h, t := strings.Fields(head), strings.Fields(tail)
	if !ok || len(h) < 5 || len(t) < 3 {
		return hierarchy{}, false
	}
	root := hierarchy{root: h[4], unified: t[0] == "cgroup2", controllers: map[string]bool{}}
	if root.unified {
		return root, true
	}
	for _, c := range strings.Split(t[2], ",") {
		for _, w := range wanted {
			if c == w {
				root.controllers[c] = true
			}
		}
	}
	return root, t[0] == "cgroup"
}

// agentLeaf holds the agent itself: in v2 only leaves may hold processes, and the
// environments get groups beside it.
const agentLeaf = "agent"

// makeGroup creates the instance's group with its limits wherever this host
// permits it, and gives its name, or "" when there is none.
func (d *Driver) makeGroup(spec driver.Spec) string {
	name := filepath.Join(cgroupParent, spec.Instance.ID)
	made := false
	for _, h := range hierarchies() {
		dir := filepath.Join(h.root, name)
		if err := h.make(cgroupParent, dir); err != nil {
			d.log.Debug("no cgroup for an instance", "hierarchy", h.root, "err", err)
			continue
		}
		made = true
		h.limit(dir, spec)
		h.weighParent(filepath.Join(h.root, cgroupParent))
	}
	if !made {
		return ""
	}
	return name
}

func (h hierarchy) make(parent, dir string) error {
	if h.unified {
		h.delegate(h.root)
	}
	// The parent can vanish between the two steps: another instance's end removes
	// it when it is empty.
	var err error
	for range 5 {
		if err = os.MkdirAll(dir, 0o755); err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	if h.unified {
		h.delegate(filepath.Join(h.root, parent))
		h.delegate(dir)
	}
	if err := os.Mkdir(filepath.Join(dir, agentLeaf), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// delegate lets the groups below dir have limits of their own, as far as dir may.
func (h hierarchy) delegate(dir string) {
	for _, c := range []string{"cpu", "memory", "pids"} {
		write(dir, "cgroup.subtree_control", "+"+c)
	}
}

// weighParent gives the group of all instances their sum. Left at its default it
// would weigh as much as one single process of the machine, the server among
// them, however many instances there are.
func (h hierarchy) weighParent(parent string) {
	file, most := "cpu.shares", 262144
	if h.unified {
		file, most = "cpu.weight", 10000
	}
	sum := 0
	instances, _ := filepath.Glob(filepath.Join(parent, "*", file)) // the pattern is well-formed
	for _, name := range instances {
		raw, _ := os.ReadFile(name) // an instance that has just ended weighs nothing
		n, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
		sum += n
	}
	if sum > 0 {
		write(parent, file, strconv.Itoa(min(sum, most)))
	}
}

const (
	quotaPeriod = 100_000 // µs
	sharesOfOne = 1024    // v1 weight of a whole core
	weightOfOne = 100     // v2 weight of a whole core
	maxProcs    = 16384   // of one instance (chosen)
)

// limit sets what the tree's controllers offer. A refusal leaves the instance
// unlimited, which is not worth failing a launch for.
func (h hierarchy) limit(dir string, spec driver.Spec) {
	cores := float64(spec.Instance.VCPUs) * spec.Settings.VCPUCores
	hard := spec.Settings.CPULimit == driver.CPUHard && cores > 0
	memory := strconv.FormatInt(spec.Instance.MemoryMiB<<20, 10)
	quota := strconv.Itoa(int(cores * quotaPeriod))
	if h.unified {
		write(dir, "cpu.weight", strconv.Itoa(clamp(cores*weightOfOne, 1, 10000)))
		if hard {
			write(dir, "cpu.max", quota+" "+strconv.Itoa(quotaPeriod))
		}
		if spec.Instance.MemoryMiB > 0 {
			write(dir, "memory.max", memory)
		}
		write(dir, "pids.max", strconv.Itoa(maxProcs))
		return
	}
	if h.controllers["cpu"] {
		write(dir, "cpu.shares", strconv.Itoa(clamp(cores*sharesOfOne, 2, 262144)))
		if hard {
			write(dir, "cpu.cfs_period_us", strconv.Itoa(quotaPeriod))
			write(dir, "cpu.cfs_quota_us", quota)
		}
	}
	if h.controllers["memory"] && spec.Instance.MemoryMiB > 0 {
		write(dir, "memory.limit_in_bytes", memory)
	}
	if h.controllers["pids"] {
		write(dir, "pids.max", strconv.Itoa(maxProcs))
	}
}

func clamp(v, low, high float64) int { return int(max(low, min(high, v))) }

// write sets one value; kernels and hosts differ in what they offer, so faults are passed over.
func write(dir, file, value string) {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	_, _ = f.WriteString(value)
	f.Close()
}

// attach moves a process that has no children yet into the group.
func attach(group string, pid int) {
	for _, h := range hierarchies() {
		write(filepath.Join(h.root, group, agentLeaf), "cgroup.procs", strconv.Itoa(pid))
	}
}

// removeTimeout bounds the wait for killed processes to leave their group.
const removeTimeout = 5 * time.Second

// removeGroup kills what is in the group and removes it from every tree, and the
// common parent with it when it is empty.
func removeGroup(group string) error {
	deadline := time.Now().Add(removeTimeout)
	var errs []error
	for _, h := range trees() { // container runtimes make groups where we make none
		for {
			err := h.remove(group)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				errs = append(errs, fmt.Errorf("remove cgroup: %w", err))
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = syscall.Rmdir(filepath.Join(h.root, filepath.Dir(group)))
	}
	return errors.Join(errs...)
}

// remove makes one attempt, from the leaves upwards.
func (h hierarchy) remove(group string) error {
	dir := filepath.Join(h.root, group)
	if h.unified {
		write(dir, "cgroup.kill", "1")
	}
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		killGroup(dirs[i])
		if err := syscall.Rmdir(dirs[i]); err != nil && err != syscall.ENOENT {
			return &fs.PathError{Op: "rmdir", Path: dirs[i], Err: err}
		}
	}
	return nil
}

func killGroup(dir string) {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, f := range strings.Fields(string(b)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 1 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
