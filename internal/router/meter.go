package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// Metered is what one version did under one of its names since the last Meters.
type Metered struct {
	VersionKey  string
	FunctionARN string // as invoked, with its qualifier

	Duration metric.Stat // milliseconds from hand-over to answer, of every invocation
	Errors   int64       // of these invocations, those that the function, or its death, failed
	Refused  int64       // 429s
	Peak     int64       // most that ran at once
}

// meterIdle is how long nothing must have happened before a meter is dropped (chosen).
const meterIdle = 10 * time.Minute

// meterKey says what a meter counts.
type meterKey struct{ version, arn string }

// meter counts for the service's metrics, apart from the load that scaling takes.
type meter struct {
	users    atomic.Int64 // invocations that hold it; far below zero once it is dropped
	running  atomic.Int64 // of these, handed over
	peak     atomic.Int64
	errors   atomic.Int64
	refused  atomic.Int64
	duration metric.Recorder

	busy time.Time // when it last had something to tell; Meters alone uses it
}

// dropped is what users begins at in a meter that nobody reads any more.
const dropped = -1 << 40

// meters are a router's, found without a lock that all share.
type meters struct {
	byKey   sync.Map // meterKey → *meter
	reading sync.Mutex
}

// begin counts an invocation in; end has to follow.
func (m *meters) begin(version, arn string) *meter {
	key := meterKey{version, arn}
	for {
		one, ok := m.byKey.Load(key)
		if !ok {
			one, _ = m.byKey.LoadOrStore(key, new(meter))
		}
		if c := one.(*meter); c.begin() {
			return c
		}
		m.byKey.CompareAndDelete(key, one)
	}
}

func (c *meter) begin() bool { return c.users.Add(1) > 0 }

func (c *meter) end() { c.users.Add(-1) }

// run counts an invocation on its way to a runtime; stop has to follow.
func (c *meter) run() {
	n := c.running.Add(1)
	for p := c.peak.Load(); n > p; p = c.peak.Load() {
		if c.peak.CompareAndSwap(p, n) {
			break
		}
	}
}

func (c *meter) stop() { c.running.Add(-1) }

// ran counts an invocation that was handed to a runtime.
func (c *meter) ran(took time.Duration, failed bool) {
	c.duration.Add(float64(took.Microseconds()) / 1000)
	if failed {
		c.errors.Add(1)
	}
}

// Meters gives what was counted since the last call.
func (r *Router) Meters(now time.Time) []Metered {
	r.meters.reading.Lock()
	defer r.meters.reading.Unlock()
	var out []Metered
	for k, one := range r.meters.byKey.Range {
		key, c := k.(meterKey), one.(*meter)
		m := Metered{VersionKey: key.version, FunctionARN: key.arn}
		running := c.running.Load()
		m.Peak = max(c.peak.Swap(running), running)
		m.Errors, m.Refused, m.Duration = c.errors.Swap(0), c.refused.Swap(0), c.duration.Take()
		if m.Peak > 0 || m.Refused > 0 || m.Duration.Count > 0 || c.busy.IsZero() {
			c.busy = now
			out = append(out, m)
		} else if now.Sub(c.busy) > meterIdle && c.users.CompareAndSwap(0, dropped) {
			r.meters.byKey.CompareAndDelete(key, one)
		}
	}
	return out
}
