package main

import (
	"bytes"
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
