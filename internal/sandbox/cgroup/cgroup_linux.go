package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Host is where this host's controllers are, those that this process may
// use: version 1 has a tree for each (some share one), version 2 one for all.
type Host struct {
	mounts map[string]string // controller → mount point
	v2     string            // mount point of version 2 when it has controllers
	trees  []string          // every writable mount point, of controllers not used here too
}

// wanted are the controllers in use.
var wanted = []string{"memory", "pids", "cpu", "cpuacct"}

// Has tells whether a controller can be used.
func (h Host) Has(controller string) bool { return h.mounts[controller] != "" }

// Find reads the mount table. Where version 1 has any wanted controller,
// version 2 beside it is left alone.
func Find() Host {
	v1, v2 := Host{mounts: map[string]string{}}, Host{mounts: map[string]string{}}
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return v1
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || unix.Access(fields[1], unix.W_OK) != nil {
			continue
		}
		switch mount := fields[1]; fields[2] {
		case "cgroup":
			v1.trees = append(v1.trees, mount)
			v1.add(mount, strings.Split(fields[3], ","))
		case "cgroup2":
			v1.trees, v2.trees = append(v1.trees, mount), append(v2.trees, mount)
			data, _ := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
			if v2.add(mount, strings.Fields(string(data))) {
				v2.v2 = mount
			}
		}
	}
	if len(v1.mounts) > 0 {
		return v1
	}
	return v2
}

func (h Host) add(mount string, controllers []string) (any bool) {
	for _, name := range controllers {
		if slices.Contains(wanted, name) && h.mounts[name] == "" {
			h.mounts[name], any = mount, true
		}
	}
	return any
}

// Group is one environment's group: a folder in each tree. A nil *Group does nothing.
type Group struct {
	name  string
	trees []string
	dirs  map[string]string // controller → folder
	v2    bool
}

// Create makes the group name in each tree and sets its limits; nil where
// there are no cgroups or no name.
func (h Host) Create(name string, l sandbox.Limits) (*Group, error) {
	if name == "" || len(h.mounts) == 0 {
		return nil, nil
	}
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("cgroup %q is not below the root", name)
	}
	g := &Group{name: name, trees: h.trees, dirs: map[string]string{}, v2: h.v2 != ""}
	for controller, mount := range h.mounts {
		dir := filepath.Join(mount, name)
		if g.v2 {
			enableControllers(mount, name)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			g.Remove()
			return nil, fmt.Errorf("creating cgroup: %w", err)
		}
		g.dirs[controller] = dir
	}
	if err := g.limit(l); err != nil {
		g.Remove()
		return nil, err
	}
	return g, nil
}

// enableControllers hands the controllers down to name, as far as permitted:
// what is missing shows when the limit is written.
func enableControllers(mount, name string) {
	dir := mount
	for part := range strings.SplitSeq(filepath.ToSlash(name), "/") {
		for _, controller := range []string{"memory", "pids", "cpu"} {
			os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		}
		dir = filepath.Join(dir, part)
		os.Mkdir(dir, 0o755)
	}
}

// setting is a limit's file and value in one version.
type setting struct {
	controller, file string
	value            int64
	text             string
	optional         bool // the file need not exist
}

func (g *Group) limit(l sandbox.Limits) error {
	for _, s := range g.settings(l) {
		dir, ok := g.dirs[s.controller]
		if s.value <= 0 || !ok {
			continue
		}
		text := s.text
		if text == "" {
			text = strconv.FormatInt(s.value, 10)
		}
		err := os.WriteFile(filepath.Join(dir, s.file), []byte(text), 0o644)
		if err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("limiting an environment: %w", err)
		}
	}
	return nil
}

// cpuPeriod is the quota's period in microseconds, the kernel's default.
const cpuPeriod = 100_000

func (g *Group) settings(l sandbox.Limits) []setting {
	quota := int64(l.CPUQuota * cpuPeriod)
	if g.v2 {
		return []setting{
			{controller: "memory", file: "memory.max", value: l.MemoryBytes},
			{controller: "memory", file: "memory.swap.max", value: l.MemoryBytes, text: "0", optional: true},
			{controller: "pids", file: "pids.max", value: l.Pids},
			{controller: "cpu", file: "cpu.weight", value: weight(l.CPUShares)},
			{controller: "cpu", file: "cpu.max", value: quota, text: fmt.Sprintf("%d %d", quota, cpuPeriod)},
		}
	}
	return []setting{
		{controller: "memory", file: "memory.limit_in_bytes", value: l.MemoryBytes},
		{controller: "memory", file: "memory.memsw.limit_in_bytes", value: l.MemoryBytes, optional: true},
		{controller: "pids", file: "pids.max", value: l.Pids},
		{controller: "cpu", file: "cpu.shares", value: l.CPUShares},
		{controller: "cpu", file: "cpu.cfs_quota_us", value: quota},
	}
}

// weight is version 2's scale (1–10000) for version 1's shares (2–262144), as
// the container runtimes convert it.
func weight(shares int64) int64 {
	if shares <= 0 {
		return 0
	}
	return 1 + (min(max(shares, 2), 262144)-2)*9999/262142
}

// Attach moves a process that has no children yet.
func (g *Group) Attach(pid int) error {
	if g == nil {
		return nil
	}
	for _, dir := range g.dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("attaching to cgroup: %w", err)
		}
	}
	return nil
}

// Kill sends SIGKILL to all members.
func (g *Group) Kill() {
	if g == nil {
		return
	}
	for _, dir := range g.dirs {
		if os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0o644) == nil {
			return
		}
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return
	}
}

// Remove deletes the group from every tree, those that a container runtime
// added too; the kernel may call it busy for a moment after the last member's death.
func (g *Group) Remove() {
	if g == nil {
		return
	}
	for _, tree := range g.trees {
		for range 200 {
			if err := unix.Rmdir(filepath.Join(tree, g.name)); !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// OOMKills counts the members that the kernel killed for memory.
func (g *Group) OOMKills() int64 {
	if g == nil {
		return 0
	}
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	return g.field("memory", file, "oom_kill")
}

// field reads "name value" from a file of such lines; 0 if absent.
func (g *Group) field(controller, file, name string) int64 {
	data, err := os.ReadFile(filepath.Join(g.dirs[controller], file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && key == name {
			n, _ := strconv.ParseInt(value, 10, 64)
			return n
		}
	}
	return 0
}

func (g *Group) number(controller, file string) (int64, error) {
	data, err := os.ReadFile(filepath.Join(g.dirs[controller], file))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

// Usage counts dead members' CPU time too; memory is without the page cache
// that the kernel would give back.
func (g *Group) Usage() (sandbox.Usage, error) {
	if g == nil {
		return sandbox.Usage{}, os.ErrInvalid
	}
	if g.v2 {
		memory, err := g.number("memory", "memory.current")
		return sandbox.Usage{
			CPU:         time.Duration(g.field("cpu", "cpu.stat", "usage_usec")) * time.Microsecond,
			MemoryBytes: max(memory-g.field("memory", "memory.stat", "inactive_file"), 0),
		}, err
	}
	cpu, err := g.number("cpuacct", "cpuacct.usage")
	if err != nil {
		return sandbox.Usage{}, err
	}
	memory, err := g.number("memory", "memory.usage_in_bytes")
	return sandbox.Usage{
		CPU:         time.Duration(cpu),
		MemoryBytes: max(memory-g.field("memory", "memory.stat", "total_inactive_file"), 0),
	}, err
}
