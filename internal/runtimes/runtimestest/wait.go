package runtimestest

import (
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

const (
	// initWait bounds an init; the machine may be busy with much else.
	initWait = 2 * time.Minute
	// wait bounds what should take milliseconds.
	wait = 30 * time.Second
)

// until polls a condition.
func until(condition func() bool) bool {
	for end := time.Now().Add(wait); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// WaitReady waits for the end of init.
func (f *Environment) WaitReady() *Environment {
	f.t.Helper()
	select {
	case <-f.Ready():
	case <-f.InitFailed():
		f.t.Fatalf("init failed: %s", f.InitError().Body)
	case <-f.Process.Done():
		f.t.Fatalf("ended: %v", f.Process.Exit())
	case <-time.After(initWait):
		f.t.Fatal("never ready")
	}
	return f
}

// WaitIdle waits until n polls are parked.
func (f *Environment) WaitIdle(n int) *Environment {
	f.t.Helper()
	if !until(func() bool { return f.Idle() >= n }) {
		f.t.Fatalf("%d of %d slots poll", f.Idle(), n)
	}
	return f
}

// WaitLog waits for a line that has all of parts.
func (f *Environment) WaitLog(parts ...string) (line string) {
	f.t.Helper()
	has := func(l string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(l, p) })
	}
	if !until(func() bool {
		lines := f.Logs()
		i := slices.IndexFunc(lines, has)
		if i >= 0 {
			line = lines[i]
		}
		return i >= 0
	}) {
		f.t.Fatalf("no log line with %q", parts)
	}
	return line
}

// WaitLines waits until n lines are as they should be, and gives all there are.
func (f *Environment) WaitLines(n int, good func(string) bool) []string {
	f.t.Helper()
	count := func() (n int) {
		for _, l := range f.Logs() {
			if good(l) {
				n++
			}
		}
		return n
	}
	if !until(func() bool { return count() >= n }) {
		f.t.Fatalf("%d of %d lines are as they should be", count(), n)
	}
	return f.Logs()
}

// WantNoLog checks that no line so far has part.
func (f *Environment) WantNoLog(part string) {
	f.t.Helper()
	for _, l := range f.Logs() {
		if strings.Contains(l, part) {
			f.t.Errorf("logged: %s", l)
		}
	}
}

// WaitExit waits for the end of the environment's first process.
func (f *Environment) WaitExit() sandbox.Exit {
	f.t.Helper()
	select {
	case <-f.Process.Done():
	case <-time.After(wait):
		f.t.Fatal("the first process did not end")
	}
	return f.Process.Exit()
}

// WantExit waits for the end of the environment's first process by itself.
func (f *Environment) WantExit(code int) {
	f.t.Helper()
	if exit := f.WaitExit(); exit != (sandbox.Exit{Code: code}) {
		f.t.Errorf("%v, want exit status %d", exit, code)
	}
}

// WantInitError waits for the report of a failed init and checks its type, in the
// body and, for the runtime's own, in the header.
func (f *Environment) WantInitError(kind string) Failure {
	f.t.Helper()
	select {
	case <-f.InitFailed():
	case <-time.After(wait):
		f.t.Fatal("no init error")
	}
	ie := f.InitError()
	e := Parse(f.t, ie.Body)
	if e.ErrorType != kind {
		f.t.Errorf("%s", ie.Body)
	}
	if strings.HasPrefix(kind, "Runtime.") && ie.Type != kind {
		f.t.Errorf("type %s", ie.Type)
	}
	return e
}
