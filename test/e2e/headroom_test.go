package e2e

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"
)

// worker uses 5 ms of CPU and waits 50 ms, which is what head room is promised for (issue 5).
const worker = `
import os, time

def handler(event, context):
    until = time.process_time() + 0.005
    while time.process_time() < until:
        pass
    time.sleep(0.05)
    return {"environment": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]}
`

// openLoop sends calls at a rate, whether or not the ones before have been answered.
func openLoop(ctx context.Context, p place, s *seen, rate float64, d time.Duration) {
	var group sync.WaitGroup
	defer group.Wait()
	pause := time.Duration(float64(time.Second) / rate)
	next := time.Now()
	for end := next.Add(d); time.Now().Before(end); next = next.Add(pause) {
		time.Sleep(time.Until(next))
		group.Go(func() {
			_, err := invoke(ctx, p.Clients, "worker", []byte(`{}`))
			s.add("", err)
		})
	}
}

// A step to one and a half times a steady load is borne without a refused call.
func TestHeadRoom(t *testing.T) {
	if os.Getenv("LAMINA_TEST_SLOW") == "" {
		t.Skip("slow: LAMINA_TEST_SLOW is not set")
	}
	needPython(t)
	p := makePlace(t, up(t, "--cpu-limit", "hard"))
	p.publish(t, p.pythonFunction(t, "worker", worker))
	p.bound(t, "worker", 6, 40)
	until(t, activeLimit, "six environments run", func() bool { return len(p.running(t)) >= 6 })
	// A vCPU is a quarter of a core here: it bears 50 calls a second, 25 at the target of one half.
	const steady = 6 * 20
	for _, step := range []struct {
		name string
		rate float64
		d    time.Duration
	}{
		{"steady", steady, 30 * time.Second},
		{"1.5 times", 1.5 * steady, 20 * time.Second},
	} {
		s := &seen{first: map[string]time.Time{}, others: map[string]int{}}
		start := time.Now()
		openLoop(t.Context(), p, s, step.rate, step.d)
		t.Logf("%s: %.0f calls a second for %s: %d refused, %d instances", step.name, step.rate, time.Since(start).Round(time.Second), s.refused, len(p.running(t)))
		if len(s.others) > 0 || s.refused > 0 {
			t.Errorf("%s: %d refused, errors %v", step.name, s.refused, s.others)
		}
	}
}
