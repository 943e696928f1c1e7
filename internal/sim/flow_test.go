package sim

import (
	"math"
	"testing"
	"time"
)

// near compares amounts of the two modes.
func near(t *testing.T, what string, got, want, share, least float64) {
	t.Helper()
	t.Logf("%-34s exact %10.2f, aggregated %10.2f (%+.1f %%)", what, want, got, 100*(got-want)/max(1e-9, want))
	if math.Abs(got-want) > share*want+least {
		t.Errorf("%s: aggregated %.2f, exact %.2f", what, got, want)
	}
}

// The aggregated mode says what the exact one says. docs/simulate.md publishes the figures (-v).
func TestAggregatesAgreeWithSingleCalls(t *testing.T) {
	few := waiting
	few.CPU, few.Wait, few.Slots = time.Millisecond, 200*time.Millisecond, 8
	heavy := waiting
	heavy.CPU, heavy.Wait, heavy.Jitter = 40*time.Millisecond, 10*time.Millisecond, 0.5
	for name, c := range map[string]Config{
		"sine, bound by CPU":     one(1, waiting, Sine(300, 3000, 10*time.Minute), 3, 10*time.Minute),
		"sine, bound by slots":   one(1, few, Sine(100, 1000, 10*time.Minute), 3, 10*time.Minute),
		"sine, heavy and uneven": one(1, heavy, Sine(50, 400, 10*time.Minute), 4, 10*time.Minute),
		"step to four times":     one(1, waiting, Step(600, 2400, 2*time.Minute), 6, 4*time.Minute),
		"over the cap":           one(1, waiting, Step(600, 2400, time.Minute), 6, 3*time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			c.Audit = false
			if name == "over the cap" {
				c.Providers[0].MaxVCPU = 20
			}
			exact := Run(c)
			c.Aggregate = true
			rough := Run(c)
			near(t, "calls", float64(rough.Calls), float64(exact.Calls), 0.01, 100)
			near(t, "throttled, % of calls", 100*float64(rough.Throttled)/float64(rough.Calls), 100*float64(exact.Throttled)/float64(exact.Calls), 0.15, 0.25)
			near(t, "environments, mean", rough.environments(), exact.environments(), 0.05, 0.3)
			near(t, "vCPU hours", rough.VCPUHours, exact.VCPUHours, 0.05, 0.1)
			near(t, "USD", rough.ManagedBill().Total, exact.ManagedBill().Total, 0.05, 0.001)
			near(t, "p50, ms", ms(rough, 50), ms(exact, 50), 0.05, 0)
			near(t, "p99, ms", ms(rough, 99), ms(exact, 99), 0.12, 0)
		})
	}
}

func ms(r *Result, p float64) float64 { return r.Latency.Percentile(p).Seconds() * 1000 }

func (r *Result) environments() float64 {
	sum := 0.0
	for _, p := range r.Series {
		sum += float64(p.Environments)
	}
	return sum / float64(len(r.Series))
}
