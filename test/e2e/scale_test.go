package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// growLimit is how long a version may take to grow on a busy machine; the test
// logs how long it took.
const growLimit = 60 * time.Second

// seen collects which environments answered, and when.
type seen struct {
	mu       sync.Mutex
	first    map[string]time.Time // by environment
	refused  int
	refusedT time.Time // the first
	refusedL time.Time // the last
	others   map[string]int
}

func newSeen() *seen { return &seen{first: map[string]time.Time{}, others: map[string]int{}} }

func (s *seen) add(environment string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		if _, known := s.first[environment]; !known {
			s.first[environment] = now
		}
	case code(err) == "TooManyRequestsException":
		if s.refused++; s.refused == 1 {
			s.refusedT = now
		}
		s.refusedL = now
	default:
		s.others[err.Error()]++
	}
}

func (s *seen) environments() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.first)
}

// nth is when the n-th environment first answered.
func (s *seen) nth(n int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.first), time.Time.Compare)[n-1]
}

// load calls with so many callers until stop is closed.
func load(ctx context.Context, callers int, invoke func(context.Context) (string, error)) (s *seen, wait func()) {
	s = newSeen()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for ctx.Err() == nil {
				environment, err := invoke(ctx)
				if ctx.Err() != nil {
					return
				}
				s.add(environment, err)
				if err != nil {
					time.Sleep(100 * time.Millisecond) // a refused caller comes back, but not at once
				}
			}
		})
	}
	return s, group.Wait
}

// grows waits until more than so many environments answer.
func (s *seen) grows(t *testing.T, beyond int) {
	t.Helper()
	s.growsUnless(t, beyond, func() bool { return false }, "")
}

// growsUnless skips where the machine, for a reason that the server gives, could not be expected to.
func (s *seen) growsUnless(t *testing.T, beyond int, excused func() bool, reason string) {
	t.Helper()
	for end := time.Now().Add(growLimit); s.environments() <= beyond; time.Sleep(20 * time.Millisecond) {
		if time.Now().Before(end) {
			continue
		}
		if excused() {
			t.Skip(reason)
		}
		t.Fatalf("after %s under load there are %d environments: %v", growLimit, s.environments(), s.others)
	}
}

// Full slots bring environments: the refused callers are served soon. The slow
// suite waits for sixteen, as many as AWS's own example grew to in 15 minutes.
func TestSaturationBringsEnvironments(t *testing.T) {
	p := makePlace(t, up(t))
	p.publish(t, p.goFunction(t, "crowd"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	callers, most := slots*minimum+32, minimum+2
	if os.Getenv("LAMINA_TEST_SLOW") != "" {
		callers, most = slots*16+32, 16
	}
	const held = 200 * time.Millisecond
	start := time.Now()
	s, wait := load(ctx, callers, func(ctx context.Context) (string, error) {
		r, err := call(ctx, p.Clients, "crowd", 1, held)
		return r.Environment, err
	})
	s.grows(t, minimum)
	t.Logf("the fourth environment took a call %s after the first refused one", (s.nth(minimum+1).Sub(s.refusedT) - held).Round(time.Millisecond))
	s.grows(t, most-1)
	t.Logf("environment %d took one %s after the load began", most, (s.nth(most).Sub(start) - held).Round(time.Millisecond))
	cancel()
	wait()
	if len(s.others) > 0 {
		t.Errorf("errors other than 429: %v", s.others)
	}
	if s.refused == 0 {
		t.Error("nothing was refused while the slots were full")
	}
}

// burner keeps a CPU busy for the given seconds of its own time.
const burner = `
import os, time

def handler(event, context):
    until = time.process_time() + event["cpu"]
    while time.process_time() < until:
        pass
    return {"environment": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]}
`

// CPU use brings environments long before the slots are full.
func TestCPUBringsEnvironments(t *testing.T) {
	needPython(t)
	// Without the hard limit the function takes the whole machine, and more environments would not help.
	s := up(t, "--cpu-limit", "hard", "--verbose")
	p := makePlace(t, s)
	p.publish(t, p.pythonFunction(t, "burner", burner))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := time.Now()
	got, wait := load(ctx, 6, func(ctx context.Context) (string, error) {
		out, err := invoke(ctx, p.Clients, "burner", []byte(`{"cpu":0.05}`))
		if err != nil {
			return "", err
		}
		var r struct{ Environment string }
		err = json.Unmarshal(out, &r)
		return r.Environment, err
	})
	got.growsUnless(t, minimum, func() bool { return s.logged("this machine has no CPU left") }, "other work on this machine leaves no CPU to scale with")
	t.Logf("the fourth environment answered %s after the load began", got.nth(minimum+1).Sub(start).Round(time.Millisecond))
	cancel()
	wait()
	if got.refused > 0 || len(got.others) > 0 {
		t.Errorf("%d refused, others %v", got.refused, got.others)
	}
	if !s.logged("cause=cpu") {
		t.Error("the server's log does not name CPU use as the cause")
	}
}
