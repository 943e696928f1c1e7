package agent

import (
	"runtime"
	"testing"
)

func TestThreads(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	th := newThreads(0.25)
	at := func(what string, want int) {
		t.Helper()
		if n := runtime.GOMAXPROCS(0); n != want {
			t.Errorf("%s: %d threads, want %d", what, n, want)
		}
	}
	at("at rest", 1)
	_ = th.work(func() error {
		at("while it unpacks", 4)
		_ = th.work(func() error { at("twice", 4); return nil })
		at("once again", 4)
		return nil
	})
	at("afterwards", 1)

	runtime.GOMAXPROCS(4)
	newThreads(2.5)
	at("with a vCPU of two and a half cores", 3)

	t.Setenv("GOMAXPROCS", "4")
	runtime.GOMAXPROCS(4)
	newThreads(1)
	at("as the operator wants it", 4)
}
