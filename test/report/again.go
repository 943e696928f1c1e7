package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// mostAgain is how many tests may be run again: where more fail, the cause is not
// the moment (chosen).
const mostAgain = 3

// runAgain runs what failed once more, by itself: on a shared machine real
// processes now and then miss a time. What passes then is named, not counted as failed.
func runAgain(ctx context.Context, t *tally, race bool) {
	tests, ok := t.suspects()
	if !ok || len(tests) == 0 {
		return
	}
	fmt.Fprintln(t.out, "== again")
	for _, test := range tests {
		pkg, name, _ := strings.Cut(test, ".")
		args := []string{"-count=1", "-timeout", "12m", "-run", "^" + name + "$", "./" + pkg}
		if pkg == "lamina" {
			args[len(args)-1] = "."
		}
		if race && "/"+pkg != endToEnd && "/"+pkg != simulation {
			args = append([]string{"-race"}, args...)
		}
		second := &tally{allowed: t.allowed, out: t.out}
		goTest(ctx, second, args)
		if second.failed == 0 && second.passed > 0 {
			t.forgive(test)
		}
	}
}

// suspects are the tests, by package and top-level name, that may be run again;
// not ok where one failure alone decides.
func (t *tally) suspects() (tests []string, ok bool) {
	for _, f := range t.failures {
		test, is := topLevel(f.name)
		if !is || f.severe {
			return nil, false
		}
		if !slices.Contains(tests, test) {
			tests = append(tests, test)
		}
	}
	return tests, len(tests) <= mostAgain
}

// topLevel is a test without its subtests' names; false: it is a check, a build or a package.
func topLevel(name string) (string, bool) {
	pkg, test, ok := strings.Cut(name, ".")
	if !ok || !strings.HasPrefix(test, "Test") || strings.Contains(name, " ") {
		return "", false
	}
	test, _, _ = strings.Cut(test, "/")
	return pkg + "." + test, true
}

// forgive counts a test and its subtests as passed.
func (t *tally) forgive(test string) {
	t.unsteady = append(t.unsteady, test)
	t.failures = slices.DeleteFunc(t.failures, func(f failure) bool {
		top, _ := topLevel(f.name)
		if top != test {
			return false
		}
		t.failed--
		t.passed++
		return true
	})
}

// severe says whether a test's output tells of what no second run makes good: others
// did not run for it, or memory was shared without a lock.
func severe(output string) bool {
	return slices.ContainsFunc([]string{"panic: ", "fatal error: ", "DATA RACE", "skipped, and test/skips.txt"}, func(s string) bool { return strings.Contains(output, s) })
}
