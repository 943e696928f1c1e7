package plain

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
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

func newDriver(t *testing.T) *Driver {
	t.Helper()
	d, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	group := ""
	if os.Geteuid() == 0 {
		group = "lamina-sandbox-test"
		t.Cleanup(func() {
			dirs, _ := filepath.Glob("/sys/fs/cgroup/*/" + group)
			for _, dir := range append(dirs, "/sys/fs/cgroup/"+group) {
				os.Remove(dir)
			}
		})
	}
	sandboxtest.Run(t, newDriver(t), group)
}

// With networks of their own environments reach nothing but their Runtime API.
func TestOwnNetworks(t *testing.T) {
	n := sandbox.Loopback()
	l, err := n.Listen(t.Context(), "probe")
	if err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	l.Close()
	sandboxtest.Run(t, newDriver(t).In(n), "")
}

// What remains where the kernel refuses namespaces.
func TestProcessGroup(t *testing.T) {
	sandboxtest.Run(t, &Driver{host: host{why: "for the test"}}, "")
}

// The user namespace way must work for privileged processes too, whose agent
// may live in one.
func TestUserNamespace(t *testing.T) {
	h := host{namespaces: true, userNS: true}
	noProc, err := tryHost(t.Context(), h)
	if err != nil {
		t.Skip("no user namespaces here: ", err)
	}
	h.noProc = noProc
	sandboxtest.Run(t, &Driver{host: h}, "")
}

// TestRootless runs the conformance suite as an unprivileged user.
func TestRootless(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("is rootless already")
	}
	rerun(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
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
		rerun(t, &syscall.SysProcAttr{Cloneflags: flags})
	})
	t.Run("user namespace", func(t *testing.T) {
		rerun(t, &syscall.SysProcAttr{
			Cloneflags:  flags | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			Credential:  &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
		})
	})
}

// rerun runs TestConformance of this binary in a process with attr.
func rerun(t *testing.T, attr *syscall.SysProcAttr) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lamina-rerun-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o777|os.ModeSticky)
	exe := filepath.Join(dir, "plain.test")
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, me, exe)
	cmd := exec.Command(exe, "-test.run=^TestConformance$", "-test.v")
	cmd.Env = []string{"TMPDIR=" + dir, "HOME=" + dir, "PATH=/usr/bin:/bin", sandboxtest.ProbeVariable + "=" + os.Getenv(sandboxtest.ProbeVariable)}
	cmd.Dir, cmd.SysProcAttr = dir, attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS: TestConformance/KillTree")) {
		t.Errorf("the suite did not run:\n%s", out)
	}
	t.Logf("%s", out)
}

// copyFile leaves the writing to another process: a child of this one, started by a test beside, would hold the
// file open for writing a moment longer, and what is written to can't be run.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := os.Chmod(to, 0o755); err != nil {
		t.Fatal(err)
	}
}
