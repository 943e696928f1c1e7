package controller

import (
	"time"

	"github.com/lamina-dev/lamina"
)

// failure is why environments of a generation can't come up.
type failure struct {
	generation int64
	code, text string
	errorType  string
	told       bool // the invocation it was for has learnt of it
	at         time.Time
	count      int
}

// collect takes ended environments off the list and remembers why they ended: not
// because of what was asked of them, nor because of their instance's end. One that
// has failed and has yet to shut down counts as drained, so that it is replaced now.
func (c *Controller) collect(r *round, key string) []environment {
	var live []environment
	for _, e := range r.envs[key] {
		if e.status.Failing() && !e.spec.Draining {
			c.remember(key, e)
			r.drain(e)
			e.spec.Draining = true
		}
		if !e.ended() {
			live = append(live, e)
			continue
		}
		r.remove(e)
		if !e.spec.Draining && !e.taken() {
			c.remember(key, e)
		}
	}
	return live
}

// steadyAfter is how long an environment must have served for its end not to
// count as one of a series.
const steadyAfter = 10 * time.Second

func (c *Controller) remember(key string, e environment) {
	now := c.cfg.Clock()
	f := &failure{generation: e.spec.Generation, at: now, text: e.status.Reason, errorType: e.status.ErrorType, told: e.status.Told}
	if e.status.ReadyAt.IsZero() {
		f.code = e.status.ReasonCode
		if f.code == "" {
			f.code = lamina.ReasonRuntimeInit
		}
	}
	if before := c.failures[key]; before != nil && before.generation == f.generation {
		f.count = before.count
	}
	if e.status.ReadyAt.IsZero() || now.Sub(e.status.ReadyAt) < steadyAfter {
		f.count++
	} else {
		f.count = 0
	}
	c.cfg.Log.Info("environment ended", "version", key, "environment", e.spec.ID, "code", e.status.ReasonCode, "reason", e.status.Reason)
	c.failures[key] = f
}

// rested says whether the pause after failing environments is over: none after
// the first, then doubling.
func (c *Controller) rested(key string) bool {
	f := c.failures[key]
	if f == nil || f.count < 2 {
		return true
	}
	until := f.rest()
	if c.cfg.Clock().Before(until) {
		c.due(until)
		return false
	}
	return true
}

// rest is when the pause after a failing environment ends.
func (f *failure) rest() time.Time {
	if f.count < 2 {
		return f.at
	}
	return f.at.Add(min(maxBackoff, 100*time.Millisecond<<min(f.count, 16)))
}

// errorTypeOf is what the caller of an ordinary function sees.
func errorTypeOf(f *failure) string {
	if f.errorType != "" {
		return f.errorType
	}
	return "Runtime.InitError"
}
