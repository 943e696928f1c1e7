package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"
)

// tally counts what ran and keeps what must be shown at the end.
type tally struct {
	allowed []allowedSkip
	out     io.Writer

	passed, failed int
	failures       []failure
	skips          []skipped
	unsteady       []string // names of tests that failed and passed when they were run again
}

// failure is what failed.
type failure struct {
	name   string
	severe bool // by itself a reason to fail, whatever a second run says
}

// skipped is a test that did not run.
type skipped struct{ name, reason string }

// allowedSkip is a line of test/skips.txt: which tests may skip, and the reason they must give.
type allowedSkip struct{ pattern, reason string }

func (t *tally) pass() { t.passed++ }

// fail counts a failure and shows it in full, at once.
func (t *tally) fail(name, output string) {
	t.failed++
	t.failures = append(t.failures, failure{name, severe(output)})
	fmt.Fprintf(t.out, "FAIL %s\n%s\n", name, strings.TrimRight(output, "\n"))
}

// skip counts a skip, and as a failure too when nobody allowed it.
func (t *tally) skip(name, reason string) {
	t.skips = append(t.skips, skipped{name, reason})
	if !t.isAllowed(name, reason) {
		t.fail(name, "skipped, and test/skips.txt does not allow it: "+reason)
	}
}

func (t *tally) isAllowed(name, reason string) bool {
	for _, a := range t.allowed {
		if a.names(name) && strings.Contains(reason, a.reason) {
			return true
		}
	}
	return false
}

// names tells whether the pattern means a test: by its whole name, or its
// top-level test's, with or without the package.
func (a allowedSkip) names(name string) bool {
	names := []string{name}
	if pkg, test, ok := strings.Cut(name, "."); ok {
		top, _, _ := strings.Cut(test, "/")
		names = append(names, test, pkg+"."+top, top)
	}
	for _, n := range names {
		if ok, _ := path.Match(a.pattern, n); ok {
			return true
		}
	}
	return false
}

// failedIn says whether a test of the package, or its build, has been counted as failed already.
func (t *tally) failedIn(pkg string) bool {
	for _, f := range t.failures {
		if name := f.name; strings.HasPrefix(name, short(pkg)+".") || strings.HasPrefix(name, "build "+pkg) {
			return true
		}
	}
	return false
}

// close prints what was skipped and why, what passed at the second try, what failed, and the closing line.
func (t *tally) close(took time.Duration) {
	fmt.Fprintln(t.out)
	for _, s := range t.skips {
		fmt.Fprintf(t.out, "skipped %s: %s\n", s.name, s.reason)
	}
	for _, name := range t.unsteady {
		fmt.Fprintf(t.out, "unsteady %s: failed, and passed when it was run again by itself\n", name)
	}
	for _, f := range t.failures {
		fmt.Fprintf(t.out, "failed  %s\n", f.name)
	}
	fmt.Fprintf(t.out, "took %s\n%d passed, %d failed, %d skipped\n", took.Round(time.Second), t.passed, t.failed, len(t.skips))
}

// readSkips reads test/skips.txt: "name pattern | part of the reason" per line, # begins a comment.
func readSkips(file string) ([]allowedSkip, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the list of allowed skips: %w", err)
	}
	var list []allowedSkip
	for line := range strings.Lines(string(raw)) {
		line, _, _ = strings.Cut(line, "#")
		pattern, reason, ok := strings.Cut(line, "|")
		if !ok {
			continue
		}
		list = append(list, allowedSkip{strings.TrimSpace(pattern), strings.TrimSpace(reason)})
	}
	return list, nil
}
