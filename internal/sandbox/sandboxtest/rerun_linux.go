package sandboxtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// Main is a driver's TestMain, after the driver's own Main.
func Main(m *testing.M) {
	if os.Getpid() == 1 { // as an agent does that is the init of its namespaces
		if err := errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), syscall.Mount("proc", "/proc", "proc", 0, "")); err != nil {
			panic(err)
		}
	}
	if err := leave(); err != nil {
		panic(err)
	}
	remove, err := Build()
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		remove()
		os.Exit(code)
	}))
}

// RemoveGroup removes a cgroup with that name at the test's end.
func RemoveGroup(t *testing.T, name string) {
	t.Cleanup(func() {
		dirs, _ := filepath.Glob("/sys/fs/cgroup/*/" + name)
		for _, dir := range append(dirs, "/sys/fs/cgroup/"+name) {
			os.Remove(dir)
		}
	})
}

// InsideAgentNamespaces runs tests as an agent runs: as the init of PID and mount
// namespaces, with and without privileges on the host. run says what, by Rerun.
func InsideAgentNamespaces(t *testing.T, run func(t *testing.T, attr *syscall.SysProcAttr)) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to be both")
	}
	const flags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	t.Run("root", func(t *testing.T) {
		run(t, &syscall.SysProcAttr{Cloneflags: flags})
	})
	t.Run("user namespace", func(t *testing.T) {
		run(t, &syscall.SysProcAttr{
			Cloneflags:  flags | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			Credential:  &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
		})
	})
}

// Rerun runs tests of this binary, by -test.run's pattern, in a process with attr;
// passes is one of them that must have run.
func Rerun(t *testing.T, attr *syscall.SysProcAttr, pattern, passes string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lamina-rerun-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o777|os.ModeSticky)
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "sandbox.test")
	// Another process writes: a child of this one, started by a test beside, would hold the file open for writing a
	// moment longer, and what is written to can't be run.
	if out, err := exec.Command("cp", me, exe).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	cmd := exec.Command(exe, "-test.run="+pattern, "-test.v")
	cmd.Env = []string{"TMPDIR=" + dir, "HOME=" + dir, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ProbeVariable + "=" + os.Getenv(ProbeVariable)}
	cmd.Dir, cmd.SysProcAttr = dir, attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+passes)) {
		t.Errorf("the suite did not run:\n%s", out)
	}
	t.Logf("%s", strings.ReplaceAll(string(out), "--- ", "-- "))
}

// leave opens descriptors that whoever is started inherits, as a shell may: no
// function is to have them.
func leave() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	for range 3 {
		if _, err := unix.FcntlInt(null.Fd(), unix.F_DUPFD, 5); err != nil {
			return err
		}
	}
	return nil
}
