//go:build amd64 || arm64

package reaper

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCodeIsWhole: the copy has all of the code.
func TestCodeIsWhole(t *testing.T) {
	if program := Program(); len(program) < codeSize { // and so this binary has the code
		t.Errorf("%d bytes", len(program))
	}
	binary := filepath.Join(t.TempDir(), "test") // the one that runs has no symbols
	if out, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if strings.HasSuffix(s.Name, "internal/sandbox/reaper.reap") || strings.HasSuffix(s.Name, "internal/sandbox/reaper.reap.abi0") {
			if s.Size > 0 && s.Size <= codeSize {
				return
			}
			t.Errorf("%s has %d bytes, of which %d are copied", s.Name, s.Size, codeSize)
		}
	}
	t.Error("no code found")
}
