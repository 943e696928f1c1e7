package oci

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina/internal/sandbox/plain"
	"github.com/lamina-dev/lamina/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	plain.Main() // the benchmark compares with it
	Main()
	if os.Getpid() == 1 { // as an agent does that is the init of its namespaces
		if err := errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), syscall.Mount("proc", "/proc", "proc", 0, "")); err != nil {
			panic(err)
		}
	}
	remove, err := sandboxtest.Build()
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		remove()
		os.Exit(code)
	}))
}

// newDriver skips where the runtime can't run.
func newDriver(t *testing.T, kind Kind, network Network) *Driver {
	t.Helper()
	if _, err := Find(kind); err != nil {
		t.Skip(err)
	}
	if r := Probe(t.Context(), kind, network); r.Reason != "" {
		t.Skipf("%s can't run here: %s", kind, r.Reason)
	}
	dir, err := os.MkdirTemp("", "lamina-oci-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	d, err := New(Config{Kind: kind, Dir: dir, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind    Kind
		network Network
	}{{Runc, NetworkHost}, {Runc, NetworkNone}, {Runsc, NetworkNone}} {
		t.Run(string(c.kind)+"/"+string(c.network), func(t *testing.T) {
			d := newDriver(t, c.kind, c.network)
			group := ""
			if d.fullUser {
				group = fmt.Sprintf("lamina-oci-test-%d-%s-%s", os.Getpid(), c.kind, c.network)
				t.Cleanup(func() { removeGroups(group) })
			}
			sandboxtest.Run(t, d, group)
			if left, _ := os.ReadDir(d.command.state); len(left) > 0 {
				t.Errorf("the runtime still knows %v", left)
			}
		})
	}
}

func removeGroups(group string) {
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/" + group)
	for _, dir := range append(dirs, "/sys/fs/cgroup/"+group) {
		os.Remove(dir)
	}
}

// TestInsideAgentNamespaces runs it as an agent does: as the init of PID and
// mount namespaces, with and without privileges on the host.
func TestInsideAgentNamespaces(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to be both")
	}
	const flags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	t.Run("root", func(t *testing.T) {
		rerun(t, "^runc$", &syscall.SysProcAttr{Cloneflags: flags})
	})
	t.Run("user namespace", func(t *testing.T) {
		rerun(t, "^(runc|runsc)$", &syscall.SysProcAttr{
			Cloneflags:  flags | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			Credential:  &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
		})
	})
}

// rerun runs TestConformance of this binary, for some kinds, in a process with attr.
func rerun(t *testing.T, kinds string, attr *syscall.SysProcAttr) {
	t.Helper()
	if _, err := Find(Runc); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "lamina-rerun-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o777|os.ModeSticky)
	exe := filepath.Join(dir, "oci.test")
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(exe, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestConformance$/"+kinds+"/^none$", "-test.v")
	cmd.Env = []string{"TMPDIR=" + dir, "HOME=" + dir, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", sandboxtest.ProbeVariable + "=" + os.Getenv(sandboxtest.ProbeVariable)}
	cmd.Dir, cmd.SysProcAttr = dir, attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS: TestConformance/runc/none/KillTree")) {
		t.Errorf("the suite did not run:\n%s", out)
	}
	t.Logf("%s", strings.ReplaceAll(string(out), "--- ", "-- "))
}
