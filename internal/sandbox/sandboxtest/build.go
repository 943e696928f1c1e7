package sandboxtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ProbeVariable names the environment variable by which a test binary that runs
// itself again, maybe as another user, hands on the probe it has built.
const ProbeVariable = "LAMINA_SANDBOX_PROBE"

// Build makes the probe, once for all tests of a binary: TestMain calls it, and
// remove at the end. It is built without race detection, under which each end
// of a process takes a second.
func Build() (remove func(), err error) {
	if os.Getenv(ProbeVariable) != "" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "lamina-probe-")
	if err != nil {
		return nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/lamina-dev/lamina/internal/sandbox/sandboxtest/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		remove()
		return nil, fmt.Errorf("building the probe: %w\n%s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		remove()
		return nil, err
	}
	return remove, os.Setenv(ProbeVariable, path)
}

// linkProbe puts the probe at path.
func linkProbe(t *testing.T, path string) {
	t.Helper()
	probe := os.Getenv(ProbeVariable)
	if os.Link(probe, path) == nil {
		return
	}
	data, err := os.ReadFile(probe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// living counts the processes on the host that name the environment id: the
// function's own, or those of a runtime that keeps them out of the host's sight.
func living(id string) (n int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		data, _ := os.ReadFile(f)
		for _, arg := range strings.Split(string(data), "\x00") {
			if arg == id {
				n++
				break
			}
		}
	}
	return n
}
