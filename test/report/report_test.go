package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEventsAreCounted(t *testing.T) {
	const stream = `{"Action":"run","Package":"p/a","Test":"TestGood"}
{"Action":"output","Package":"p/a","Test":"TestGood","Output":"        | a row |\n"}
{"Action":"output","Package":"p/a","Test":"TestGood","Output":"        not a row\n"}
{"Action":"pass","Package":"p/a","Test":"TestGood"}
{"Action":"output","Package":"p/a","Test":"TestBad","Output":"    a_test.go:3: the cause\n"}
{"Action":"fail","Package":"p/a","Test":"TestBad"}
{"Action":"output","Package":"p/a","Test":"TestKnown","Output":"    a_test.go:9: no aws here\n"}
{"Action":"skip","Package":"p/a","Test":"TestKnown"}
{"Action":"output","Package":"p/a","Test":"TestQuiet","Output":"    a_test.go:9: flaky\n"}
{"Action":"skip","Package":"p/a","Test":"TestQuiet"}
{"Action":"fail","Package":"p/a"}
{"ImportPath":"p/b","Action":"build-output","Output":"b.go:1: broken\n"}
{"ImportPath":"p/b","Action":"build-fail"}
{"Action":"fail","Package":"p/b","FailedBuild":"p/b"}
{"Action":"output","Package":"p/c","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"p/c"}
`
	var out bytes.Buffer
	tl := &tally{out: &out, allowed: []allowedSkip{{"p/a.TestKnown", "no aws"}}}
	readEvents(strings.NewReader(stream), tl)
	tl.close(0)
	for _, want := range []string{"1 passed, 4 failed, 2 skipped\n", "the cause", "b.go:1: broken", "TestHangs (never ended)", "skipped p/a.TestKnown: no aws here", "| a row |\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not a row") {
		t.Error("the output of a test that passed is shown")
	}
	if !strings.HasSuffix(out.String(), "skipped\n") {
		t.Error("the closing line is not last")
	}
}

func TestSuspects(t *testing.T) {
	for _, tt := range []struct {
		failures []failure
		want     string // none: nothing is run again
	}{
		{nil, ""},
		{[]failure{{"internal/a.TestA/one", false}, {"internal/a.TestA", false}, {"lamina.TestB", false}}, "internal/a.TestA lamina.TestB"},
		{[]failure{{"internal/a.TestA", true}, {"internal/a.TestB", false}}, ""},
		{[]failure{{"internal/a.TestA", false}, {"build internal/b", false}}, ""},
		{[]failure{{"internal/a.TestA (never ended)", false}}, ""},
		{[]failure{{"check/vet", false}}, ""},
		{[]failure{{"a.TestA", false}, {"a.TestB", false}, {"a.TestC", false}, {"a.TestD", false}}, ""},
	} {
		tests, ok := (&tally{failures: tt.failures}).suspects()
		if !ok {
			tests = nil
		}
		if got := strings.Join(tests, " "); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.failures, got, tt.want)
		}
	}
	for output, want := range map[string]bool{"a_test.go:3: 4, want 5": false, "WARNING: DATA RACE\n": true, "panic: nil map": true} {
		if severe(output) != want {
			t.Errorf("%q is severe: %v", output, !want)
		}
	}
}

// The second run decides, of a real go test.
func TestAgain(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod":            "module example.com/m\n",
		"good/good_test.go": "package good\nimport \"testing\"\nfunc TestOnce(t *testing.T) {}\n",
		"bad/bad_test.go":   "package bad\nimport \"testing\"\nfunc TestTwice(t *testing.T) { t.Error(\"still\") }\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	tl := &tally{out: &out, failed: 2, failures: []failure{{"good.TestOnce", false}, {"bad.TestTwice", false}}}
	runAgain(t.Context(), tl, false)
	if !slices.Equal(tl.unsteady, []string{"good.TestOnce"}) || tl.failed != 1 || tl.failures[0].name != "bad.TestTwice" {
		t.Errorf("unsteady %v, failed %d %v\n%s", tl.unsteady, tl.failed, tl.failures, out.String())
	}
}

func TestForgiven(t *testing.T) {
	var out bytes.Buffer
	tl := &tally{out: &out, passed: 5, failed: 3, failures: []failure{{"p/a.TestA/one", false}, {"p/a.TestA", false}, {"p/a.TestB", false}}}
	tl.forgive("p/a.TestA")
	tl.close(0)
	for _, want := range []string{"7 passed, 1 failed, 0 skipped\n", "unsteady p/a.TestA: ", "failed  p/a.TestB\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, out.String())
		}
	}
}

func TestSkipPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"TestAWSCLI", "test/e2e.TestAWSCLI", true},
		{"TestTerraform*", "test/e2e.TestTerraformQuickstart/plan", true},
		{"test/e2e.*", "test/e2e.TestNode/nodejs22.x", true},
		{"check/generated", "check/generated", true},
		{"TestNode", "test/e2e.TestNodes", false},
		{"internal/a.*", "internal/b.TestA", false},
		{"*", "check/generated", false},
	} {
		if got := (allowedSkip{pattern: tt.pattern}).names(tt.name); got != tt.want {
			t.Errorf("%q names %q: %v", tt.pattern, tt.name, got)
		}
	}
}

func TestSkipListIsReadable(t *testing.T) {
	list, err := readSkips("../skips.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.pattern == "" || a.reason == "" {
			t.Errorf("%+v: a line wants a pattern and a reason", a)
		}
	}
}
