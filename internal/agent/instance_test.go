//go:build linux

package agent_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/fleet/driver/process"
	"github.com/lamina-dev/lamina/internal/wire"
)

// TestKill is about a whole instance: an agent process started by the driver,
// with a function that serves.
func TestKill(t *testing.T) {
	s := newServer(t)
	d, err := process.New(process.Config{Dir: filepath.Join(tempDir(t), "i")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	const id = "i-0123456789abcdef0"
	begin := time.Now()
	handle, err := d.Launch(t.Context(), driver.Spec{
		Instance:   lamina.Instance{ID: id, Token: "secret", VCPUs: 2, MemoryMiB: 8192},
		ServerAddr: s.addr(),
		Settings:   driver.Settings{VCPUCores: 0.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Terminate(context.Background(), id, handle) })
	e := goSpec(t, s, 4)
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	t.Logf("ready %v after the launch", time.Since(begin))
	overlap(t, s, e.ID, 4, func(token string) string { return `{"token": "` + token + `", "sleepMs": 300}` })

	pid, _ := strconv.Atoi(handle[:strings.IndexByte(handle, ':')])
	wantTitle(t, pid, "lamina agent "+id)
	tree := descendants(pid)
	if len(tree) < 2 {
		t.Fatalf("the instance's processes: %v", tree)
	}
	groups := cgroupsOf(tree[len(tree)-1], id)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.Gone():
	case <-time.After(20 * time.Second):
		t.Fatal("its end was not noticed")
	}
	for _, p := range tree {
		if err := syscall.Kill(p, 0); err != syscall.ESRCH {
			t.Errorf("process %d: %v", p, err)
		}
	}
	for _, dir := range groups {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("cgroup %s is left", dir)
		}
	}
	if found, err := d.List(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("List = %v, %v", found, err)
	}
}

// tempDir has a path short enough for sockets, and every user may pass through it.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ag")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func wantTitle(t *testing.T, pid int, want string) {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if got := strings.TrimRight(strings.ReplaceAll(string(b), "\x00", " "), " "); err != nil || got != want {
		t.Errorf("the process list says %q, %v", got, err)
	}
}

// descendants are the processes below and including root.
func descendants(root int) []int {
	parent := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		parent[pid], _ = strconv.Atoi(string(f[1]))
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		for pid, p := range parent {
			if p == tree[i] {
				tree = append(tree, pid)
			}
		}
	}
	return tree
}

// cgroupsOf are the folders of the instance's groups that pid is in.
func cgroupsOf(pid int, instance string) []string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	var dirs []string
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && strings.Contains(f[2], instance) {
			dirs = append(dirs, filepath.Join("/sys/fs/cgroup", f[1], f[2]))
		}
	}
	return dirs
}

// TestKillUnprivileged repeats TestKill as a user who is not root.
func TestKillUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("TestKill was it")
	}
	dir := tempDir(t)
	pkg, err := goPackage()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"package.zip": pkg, "agent.test": thisBinary(t)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tmp := filepath.Join(dir, "tmp")
	const user = 54321 // nobody's
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(tmp, user, user); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "agent.test"), "-test.run=^TestKill$", "-test.v")
	cmd.Dir = tmp
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + tmp, "TMPDIR=" + tmp, goPackageVar + "=" + filepath.Join(dir, "package.zip")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func thisBinary(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
