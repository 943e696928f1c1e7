//go:build amd64 || arm64

package plain

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/sandboxtest"
)

// probed runs the probe in an environment to its end.
func probed(t *testing.T, args ...string) (out []string, exit sandbox.Exit, p *process) {
	t.Helper()
	d := newDriver(t)
	if !d.host.namespaces {
		t.Skip("no namespaces here: ", d.host.why)
	}
	dir := t.TempDir()
	for _, open := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(os.Getenv(sandboxtest.ProbeVariable))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "probe"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	started, err := d.Start(t.Context(), sandbox.Spec{
		ID: "reaped", Dir: t.TempDir(), TaskDir: dir, RuntimeDir: dir, Argv: append([]string{"/var/task/probe", "reaped"}, args...),
		Log: func(_ sandbox.Stream, line []byte) {
			mu.Lock()
			defer mu.Unlock()
			out = append(out, string(line))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-started.Done()
	return out, started.Exit(), started.(*process)
}

// A function's own signals end it, and its end is told as what it was.
func TestSignalsOfItsOwn(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGHUP} {
		if _, exit, _ := probed(t, "raise", fmt.Sprint(int(sig))); exit != (sandbox.Exit{Code: -1, Signal: sig}) {
			t.Errorf("%v: %+v", sig, exit)
		}
	}
	for _, code := range []int{0, 1, 137, 255} {
		if _, exit, _ := probed(t, "exit", fmt.Sprint(code)); exit != (sandbox.Exit{Code: code}) {
			t.Errorf("exit %d: %+v", code, exit)
		}
	}
}

// The function is not the first process, has a session of its own and no
// descriptor of the reaper's.
func TestFirstProcess(t *testing.T) {
	out, exit, p := probed(t, "id")
	if exit != (sandbox.Exit{}) || !p.reaped || p.PID() == p.first() && p.command != 0 {
		t.Errorf("%+v, process %d of %d", exit, p.PID(), p.first())
	}
	has := func(name string) string {
		for _, line := range out {
			if got, value, _ := strings.Cut(line, " "); got == name {
				return value
			}
		}
		return ""
	}
	if has("ppid") != "1" || has("pid") == "1" || has("nssid") != has("nspid") {
		t.Errorf("%q", out)
	}
	if out, _, _ := probed(t, "descriptors"); !slices.Equal(out, []string{"0", "1", "2"}) {
		t.Errorf("descriptors %q", out)
	}
}

// Orphans are buried.
func TestOrphansAreBuried(t *testing.T) {
	out, exit, _ := probed(t, "brood")
	if exit != (sandbox.Exit{}) || !slices.Equal(out, []string{"alive 0", "dead 0"}) {
		t.Errorf("%+v %q", exit, out)
	}
}
