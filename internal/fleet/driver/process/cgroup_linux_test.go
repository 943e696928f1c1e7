package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheParentWeighsWhatItsInstancesDo(t *testing.T) {
	for file, h := range map[string]hierarchy{
		"cpu.shares": {controllers: map[string]bool{"cpu": true}},
		"cpu.weight": {unified: true},
	} {
		parent := t.TempDir()
		put := func(dir, value string) {
			t.Helper()
			if err := os.MkdirAll(filepath.Join(parent, dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(parent, dir, file), []byte(value), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		put("", "")
		put("i-1", "512\n")
		put("i-2", "1024\n")
		h.weighParent(parent)
		if got, err := os.ReadFile(filepath.Join(parent, file)); err != nil || string(got) != "1536" {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
}
