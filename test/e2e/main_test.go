// Package e2e runs the program as its users do: a real `lamina up` on a free
// port with a data folder of its own, AWS's own clients against it, and a look
// at what is left when it is gone.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/lamina-dev/lamina/examples/setup"
)

const region = "us-east-1"

// scratch holds what is built once for all tests; lamina is the binary under test.
var scratch, lamina string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lamina-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Functions run as a user of their own, who must reach what they read here.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	scratch, lamina = dir, filepath.Join(dir, "lamina")
	if err := build("github.com/lamina-dev/lamina/cmd/lamina", lamina); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build makes a static binary of a package.
func build(pkg, to string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", to, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// handlerBinary gives a handler in Go as a program, built once for all tests; folder is below the module.
func handlerBinary(folder string) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		bootstrap := filepath.Join(scratch, "bootstrap-"+path.Base(folder))
		if err := build("github.com/lamina-dev/lamina/"+folder, bootstrap); err != nil {
			return nil, err
		}
		return os.ReadFile(bootstrap)
	})
}

// handlerCode gives the code package of a handler in Go.
func handlerCode(folder string) func() ([]byte, error) {
	return zipped(handlerBinary(folder))
}

// zipped makes the code package of a program once.
func zipped(program func() ([]byte, error)) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		binary, err := program()
		if err != nil {
			return nil, err
		}
		return setup.Zip(map[string][]byte{"bootstrap": binary})
	})
}

// The demo's Go handler, as a program and as a code package.
var (
	goBinary = handlerBinary("examples/demo/handler")
	goCode   = zipped(goBinary)
)

// needPython skips where no Python 3.13 runs; Lamina finds interpreters in the same places, and more.
func needPython(t *testing.T) {
	t.Helper()
	candidates := []string{"python3.13"}
	if home, err := os.UserHomeDir(); err == nil {
		found, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "3.13*", "bin", "python3.13"))
		candidates = append(candidates, found...)
	}
	for _, c := range candidates {
		if exec.Command(c, "-c", "import json").Run() == nil {
			return
		}
	}
	t.Skip("no Python 3.13 on this machine")
}

// needProcFS skips where processes cannot be looked at through /proc.
func needProcFS(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked at through /proc, on Linux only")
	}
}

// pythonCode packs a Python handler module app.py.
func pythonCode(t *testing.T, source string) []byte {
	t.Helper()
	code, err := setup.Zip(map[string][]byte{"app.py": []byte(source)})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// demoPython is the source of the demo's Python handler.
func demoPython(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "examples", "demo", "python", "app.py"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}
