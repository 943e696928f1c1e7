package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// endToEnd is the folder of the tests that run whole servers; they go last and alone, because they look at timing.
const endToEnd = "/test/e2e"

// event is one line of `go test -json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// simulation is one goroutine that plays millions of calls: the race detector has
// nothing to find there and makes it ten times slower.
const simulation = "/internal/sim"

func runUnit(ctx context.Context, t *tally, race bool) {
	out, err := exec.CommandContext(ctx, "go", "list", "./...").Output()
	if err != nil {
		t.fail("go list", err.Error())
		return
	}
	args := []string{"-timeout", "5m"}
	if race {
		args = append(args, "-race")
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		if !strings.HasSuffix(pkg, endToEnd) && !strings.HasSuffix(pkg, simulation) {
			args = append(args, pkg)
		}
	}
	goTest(ctx, t, args)
	goTest(ctx, t, []string{"-timeout", "5m", "." + simulation})
}

func runEndToEnd(ctx context.Context, t *tally) {
	if _, err := os.Stat("." + endToEnd); err != nil {
		return
	}
	goTest(ctx, t, []string{"-count=1", "-timeout", "12m", "." + endToEnd})
}

// goTest runs go test and counts what it reports.
func goTest(ctx context.Context, t *tally, args []string) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.fail("go test", err.Error())
		return
	}
	failed := t.failed
	readEvents(pipe, t)
	if err := cmd.Wait(); err != nil && t.failed == failed {
		t.fail("go test", err.Error())
	}
}

// readEvents counts the tests of one stream of events.
func readEvents(r io.Reader, t *tally) {
	lines := bufio.NewReader(r)
	running := make(map[testKey]*strings.Builder)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				t.take(e, running)
			} else {
				fmt.Fprintf(t.out, "%s", line)
			}
		}
		if err != nil {
			return
		}
	}
}

// testKey names a test; an empty name stands for the package itself.
type testKey struct{ pkg, test string }

// take counts one event. Output is kept until its test ends, and shown only when that fails.
func (t *tally) take(e event, running map[testKey]*strings.Builder) {
	key := testKey{e.Package, e.Test}
	if strings.HasPrefix(e.Action, "build-") {
		key = testKey{"build", e.ImportPath}
	}
	kept := running[key]
	if kept == nil {
		kept = &strings.Builder{}
		running[key] = kept
	}
	switch e.Action {
	case "output", "build-output":
		kept.WriteString(e.Output)
		return
	case "start", "run", "pause", "cont":
		return
	case "build-fail":
		t.fail("build "+e.ImportPath, kept.String())
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(e, kept.String(), running)
		} else {
			t.endTest(e, kept.String())
		}
	}
	delete(running, key)
}

// endTest counts a test that came to its end.
func (t *tally) endTest(e event, output string) {
	name := short(e.Package) + "." + e.Test
	switch e.Action {
	case "pass":
		t.pass()
		t.showTable(output)
	case "skip":
		t.skip(name, skipReason(output))
	case "fail":
		t.fail(name, output)
	}
}

// showTable prints the rows of a table that a test has logged: they are to be
// seen also where all is well.
func (t *tally) showTable(output string) {
	for line := range strings.Lines(output) {
		if row := strings.TrimSpace(line); strings.HasPrefix(row, "| ") {
			fmt.Fprintln(t.out, row)
		}
	}
}

// endPackage reports a package, and the tests in it that never came to their end.
func (t *tally) endPackage(e event, output string, running map[testKey]*strings.Builder) {
	if e.Action == "pass" {
		fmt.Fprintf(t.out, "ok   %s (%.1fs)\n", short(e.Package), e.Elapsed)
		return
	}
	if e.Action == "skip" {
		return // no test files
	}
	for key, kept := range running {
		if key.pkg == e.Package && key.test != "" {
			t.fail(short(key.pkg)+"."+key.test+" (never ended)", kept.String())
			delete(running, key)
		}
	}
	if t.failedIn(e.Package) {
		fmt.Fprintf(t.out, "FAIL %s (%.1fs)\n", short(e.Package), e.Elapsed)
		return
	}
	t.fail(short(e.Package), output)
}

// short is an import path without the module's own.
func short(pkg string) string {
	const module = "github.com/lamina-dev/lamina"
	if pkg == module {
		return "lamina"
	}
	return strings.TrimPrefix(pkg, module+"/")
}

// skipReason takes the text given to t.Skip out of a test's output: "    file_test.go:12: reason".
func skipReason(output string) string {
	var reason string
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "===") || strings.HasPrefix(strings.TrimSpace(line), "---") {
			continue
		}
		if _, text, ok := strings.Cut(line, "_test.go:"); ok {
			_, text, _ = strings.Cut(text, ": ")
			reason = strings.TrimSpace(text)
		} else if reason == "" {
			reason = strings.TrimSpace(line)
		}
	}
	return reason
}
