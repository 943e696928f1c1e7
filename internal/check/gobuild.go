package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/check/finding"
)

// bootstrapFile is what a runtime provided.* starts.
const bootstrapFile = "bootstrap"

// GoBuild is a Go function that was built for a check from its source, twice.
type GoBuild struct {
	Dir   string // with the program
	Raced string // with the one that has the race detector; "" where that can't be built
	Why   string // it can't

	source string
}

// BuildGo builds a function that comes as Go source into two new folders below
// into; nil for other functions, and for what is built already.
func BuildGo(ctx context.Context, fn bed.Function, into string) (*GoBuild, error) {
	sources, err := filepath.Glob(filepath.Join(fn.TaskDir, "*.go"))
	if err != nil || len(sources) == 0 || bed.LanguageOf(fn.Runtime) != finding.Native {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Join(fn.TaskDir, bootstrapFile)); err == nil {
		return nil, nil
	}
	source, err := filepath.Abs(fn.TaskDir)
	if err != nil {
		return nil, err
	}
	b := &GoBuild{Dir: filepath.Join(into, "plain"), Raced: filepath.Join(into, "raced"), source: source}
	for _, dir := range []string{b.Dir, b.Raced} {
		if _, err := copyCode(fn.TaskDir, dir); err != nil {
			return nil, err
		}
	}
	if err := goTool(ctx, b.source, "CGO_ENABLED=0", "build", "-o", filepath.Join(b.Dir, bootstrapFile), "."); err != nil {
		return nil, &NotCheckable{"The function is Go source that can't be built: " + err.Error(), "Mend that, or build it into the folder yourself: CGO_ENABLED=0 go build -o bootstrap ."}
	}
	if err := goTool(ctx, b.source, "CGO_ENABLED=1", "build", "-race", "-o", filepath.Join(b.Raced, bootstrapFile), "."); err != nil {
		b.Raced, b.Why = "", firstLine(err.Error())
	}
	return b, nil
}

func goTool(ctx context.Context, dir, variable string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), variable)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
