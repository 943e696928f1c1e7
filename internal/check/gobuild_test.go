package check

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/check/bed"
)

func TestBuildGoLeavesOthersAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"main.go", bootstrapFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("package main\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, fn := range []bed.Function{
		{Runtime: "provided.al2023", TaskDir: dir}, // is built already
		{Runtime: "python3.13", TaskDir: dir},
		{Runtime: "provided.al2023", TaskDir: t.TempDir()}, // no source
	} {
		if b, err := BuildGo(t.Context(), fn, t.TempDir()); b != nil || err != nil {
			t.Errorf("%+v was built: %+v, %v", fn, b, err)
		}
	}
}

func TestBuildGoSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module m\n", "main.go": "package main\n\nfunc main() { none() }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := BuildGo(t.Context(), bed.Function{Runtime: "provided.al2023", TaskDir: dir}, t.TempDir())
	var no *NotCheckable
	if !errors.As(err, &no) || !strings.Contains(no.Why, "main.go:3") || no.Provide == "" {
		t.Errorf("%v", err)
	}
}
