// Package bed runs the execution environments of a function under check, in
// this process: a sandbox, the Runtime API, and the ends of the watch's pipe and
// of the log. It lets the caller hand out events one by one and look at the
// processes meanwhile.
package bed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Function is what runs.
type Function struct {
	Name, Runtime, Handler, Architecture string
	TaskDir, OptDir                      string // unpacked, readable for all
	MemoryMB, VCPUs                      int
	Timeout                              time.Duration
	Region                               string
	LogFormat, LogLevel                  string
	Variables                            map[string]string
}

// Host starts environments of one function.
type Host struct {
	fn       Function
	language finding.Language
	box      sandbox.Sandbox
	in       runtimes.Interpreter
	release  func()
	dir      string // scratch, this host's own
	runtime  string // bootstrap files
	started  int
}

// NewHost finds what the function's runtime needs; a missing interpreter or an
// unusable package is an error in words for the user. dir is an empty folder
// that stays the caller's, who closes the host as well.
func NewHost(ctx context.Context, box sandbox.Sandbox, fn Function, dir string, places runtimes.Places) (*Host, error) {
	in, release, err := runtimes.Locate(ctx, fn.Runtime, places)
	if err != nil {
		return nil, err
	}
	h := &Host{fn: fn, language: LanguageOf(fn.Runtime), box: box, in: in, release: release, dir: dir, runtime: filepath.Join(dir, "runtime")}
	if err := h.prepare(); err != nil {
		release()
		return nil, err
	}
	return h, nil
}

// prepare looks at the package and writes the bootstrap.
func (h *Host) prepare() error {
	if err := runtimes.Check(h.in, h.fn.Architecture, h.fn.TaskDir, h.fn.OptDir); err != nil {
		return err
	}
	if err := os.MkdirAll(h.runtime, 0o755); err != nil {
		return fmt.Errorf("make the runtime's folder: %w", err)
	}
	// Whatever the umask is: the function runs as a user of its own.
	for _, d := range []string{h.dir, h.runtime} {
		if err := os.Chmod(d, 0o755); err != nil {
			return fmt.Errorf("open a folder for the function: %w", err)
		}
	}
	if h.in.Own {
		return nil
	}
	return runtimes.Install(h.fn.Runtime, h.runtime)
}

// Close lets go of the runtime; no environment may run any more.
func (h *Host) Close() { h.release() }

// Language is that of the function.
func (h *Host) Language() finding.Language { return h.language }

// Watched tells whether the runtime's bootstrap has a watch.
func (h *Host) Watched() bool {
	return !h.in.Own && h.language != finding.Native
}

// Interpreter is what runs the function, in words.
func (h *Host) Interpreter() string {
	if h.in.Path == "" {
		return h.fn.Runtime
	}
	return fmt.Sprintf("%s (%s, %s)", h.fn.Runtime, h.in.Version, h.in.Path)
}

// LanguageOf gives a runtime's language.
func LanguageOf(runtime string) finding.Language {
	for _, l := range []finding.Language{finding.Python, finding.Node, finding.Java} {
		if len(runtime) >= len(l) && runtime[:len(l)] == string(l) {
			return l
		}
	}
	return finding.Native
}
