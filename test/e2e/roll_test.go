package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/examples/setup"
)

// Callers notice nothing of a republish, nor of one that fails.
func TestRepublishUnderLoad(t *testing.T) {
	p := makePlace(t, up(t))
	good := p.goFunction(t, "crowd")
	p.publish(t, good)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, wait := load(ctx, 8, func(ctx context.Context) (string, error) {
		r, err := call(ctx, p.Clients, "crowd", 1, 20*time.Millisecond)
		return r.Environment, err
	})
	for range 3 {
		p.publish(t, good)
	}
	bad := good
	var err error
	if bad.Zip, err = setup.Zip(map[string][]byte{"bootstrap": []byte("#!/bin/sh\nexit 3\n")}); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitActive(t.Context(), "crowd", activeLimit); err == nil {
		t.Error("a version whose runtime exits is active")
	} else {
		t.Logf("the bad version: %v", err)
	}
	time.Sleep(500 * time.Millisecond) // calls after it
	cancel()
	wait()
	if s.refused > 0 || len(s.others) > 0 {
		t.Errorf("during five publishes %d calls were refused, others failed: %v", s.refused, s.others)
	}
	t.Logf("%d environments answered", s.environments())
}

// Callers notice nothing when environments are replaced at their age.
func TestEnvironmentsRotateUnderLoad(t *testing.T) {
	p := makePlace(t, up(t, "--environment-age", "6s"))
	p.publish(t, p.goFunction(t, "crowd"))
	first := p.names(t, "crowd")
	if len(first) != minimum {
		t.Fatalf("environments %v", first)
	}
	ended := p.callAllAlong(t, "crowd")
	until(t, 90*time.Second, "the first three are gone", func() bool {
		now := p.names(t, "crowd")
		return len(now) >= minimum && !slices.ContainsFunc(first, func(e string) bool { return slices.Contains(now, e) })
	})
	if calls, failed := ended(); failed > 0 {
		t.Errorf("%d of %d calls failed meanwhile", failed, calls)
	}
}
