package process

import (
	"context"
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
)

// The number of an agent that ended long ago is that of another session now.
func TestASessionOfTheSameNumberIsLeftAlone(t *testing.T) {
	leader := exec.Command("sh", "-c", "sleep 60 & echo $!; wait")
	leader.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := leader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	defer leader.Wait()
	defer syscall.Kill(-leader.Process.Pid, syscall.SIGKILL)
	var line [16]byte
	n, err := out.Read(line[:])
	if err != nil || n < 2 {
		t.Fatal(n, err)
	}
	child, err := strconv.Atoi(string(line[:n-1]))
	if err != nil {
		t.Fatal(err)
	}
	start, _, err := processStart(leader.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	becomes := func(states string) bool {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			st, err := readStat(child)
			if err != nil {
				st.state = 'Z'
			}
			if st.state == 'Z' || strings.ContainsRune(states, rune(st.state)) {
				return strings.ContainsRune(states, rune(st.state))
			}
		}
		return false
	}
	handle{pid: leader.Process.Pid, start: start - 100}.killSession()
	_ = syscall.Kill(child, syscall.SIGSTOP) // which one that is killed does not heed
	if !becomes("T") {
		t.Error("a process of somebody else's session was killed")
	}
	handle{pid: leader.Process.Pid, start: start}.killSession()
	if !becomes("Z") {
		t.Error("what an agent left in its session lives on")
	}
}

func TestABinaryPutInPlaceOfThisOneIsNotStarted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := thisBinary(); err != nil || got != self {
		t.Errorf("%q, %v; want %q", got, err, self)
	}
	other := filepath.Join(t.TempDir(), "lamina")
	if err := os.WriteFile(other, []byte("another version"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{other, filepath.Join(t.TempDir(), "gone")} {
		if got, err := binaryAt(path); err != nil || got != running {
			t.Errorf("%q, %v; want %q", got, err, running)
		}
	}
}

// A binary that is being replaced can't be run for a moment. That says nothing
// of what this host permits.
func TestOneFailureDoesNotEndIsolation(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "agent")
	put := func(mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(exe, []byte("#!/bin/sh\nexec sleep 60\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(exe, mode); err != nil {
			t.Fatal(err)
		}
	}
	isolated := func(d *Driver, id string) bool {
		t.Helper()
		text, err := d.Launch(t.Context(), driver.Spec{Instance: lamina.Instance{ID: id}})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Terminate(context.Background(), id, text)
		h, err := parseHandle(text)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := os.Readlink("/proc/" + strconv.Itoa(h.pid) + "/ns/pid")
		ours, err2 := os.Readlink("/proc/self/ns/pid")
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return theirs != ours
	}
	fresh := func() *Driver {
		t.Helper()
		d, err := New(Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		d.binary = func() (string, error) { return exe, nil }
		return d
	}
	put(0o755)
	want := isolated(fresh(), "i-1")
	d := fresh()
	put(0o644)
	if _, err := d.Launch(t.Context(), driver.Spec{Instance: lamina.Instance{ID: "i-2"}}); err == nil {
		t.Fatal("a file that is no program was started")
	}
	put(0o755)
	if got := isolated(d, "i-3"); got != want {
		t.Errorf("after a failed launch instances have their own PID namespace: %v; before: %v", got, want)
	}
}

// Without a free descriptor nobody can look at a process. It lives all the same,
// and what it has must stay.
func TestWithoutDescriptorsNobodyIsTakenForDead(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(exe, []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d, err := New(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	d.binary = func() (string, error) { return exe, nil }
	text, err := d.Launch(t.Context(), driver.Spec{Instance: lamina.Instance{ID: "i-1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Terminate(context.Background(), "i-1", text)
	h, err := parseHandle(text)
	if err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	alive, err := d.Alive(t.Context(), "i-1", text)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended := h.wait(ctx)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err != nil || !alive || ended == nil {
		t.Errorf("an agent that lives: alive %v, %v; its end was awaited with %v", alive, err, ended)
	}
}
