package e2e

import (
	"slices"
	"testing"
	"time"
)

// Callers notice nothing of a republish, nor of one that fails.
func TestRepublishUnderLoad(t *testing.T) {
	p := makePlace(t, up(t))
	p.publish(t, p.diary(t, "crowd"))
	l := keepLedger(t, p, "crowd")
	for range 2 {
		l.publishAnew()
	}
	l.publishBroken()
	l.close()
}

// Callers notice nothing when environments are replaced at their age.
func TestEnvironmentsRotateUnderLoad(t *testing.T) {
	p := makePlace(t, up(t, "--environment-age", "6s"))
	p.publish(t, p.diary(t, "crowd"))
	first := p.names(t, "crowd")
	if len(first) != minimum {
		t.Fatalf("environments %v", first)
	}
	l := keepLedger(t, p, "crowd")
	until(t, 90*time.Second, "the first three are gone", func() bool {
		now := p.names(t, "crowd")
		return len(now) >= minimum && !slices.ContainsFunc(first, func(e string) bool { return slices.Contains(now, e) })
	})
	l.close()
}
