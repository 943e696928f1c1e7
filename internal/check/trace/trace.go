// Package trace is the record of one environment under check: what ran when,
// what it answered, what the watch told and the log holds.
package trace

import (
	"time"

	"github.com/lamina-dev/lamina/internal/check/mask"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// Outcome is how a request ended.
type Outcome string

// The outcomes. Cut is a timeout that the check chose shorter than the
// function's; TimedOut is the function's own.
const (
	Answered Outcome = "answered"
	Failed   Outcome = "failed" // the function's error is the answer
	Cut      Outcome = "cut short"
	TimedOut Outcome = "timed out"
	Crashed  Outcome = "crashed"
)

// Request is one invocation.
type Request struct {
	ID         string
	Event      int
	Begin, End time.Time
	Outcome    Outcome
	Answer     mask.Answer
	Held       bool // its slot was still taken a while after the timeout
}

// Overlaps tells whether two requests ran at the same time.
func (r Request) Overlaps(o Request) bool { return r.Begin.Before(o.End) && o.Begin.Before(r.End) }

// Line is one that the function or its runtime logged.
type Line struct {
	At     time.Time
	Stderr bool
	Text   string
}

// Measure is what an environment holds, in all its processes together.
type Measure struct {
	Memory      int64 // resident and not a file's, bytes
	Descriptors int
	Threads     int
	Processes   int // those that ended and nobody waited for among them
}

// Sample is a measure after so many requests.
type Sample struct {
	After int
	Measure
}

// Hold is a worker that was stopped for a while.
type Hold struct {
	Begin, End time.Time
}

// Trace is a whole run of an environment.
type Trace struct {
	Name     string // what was run, for the report
	Slots    int
	Alone    bool // no requests overlapped
	Begin    time.Time
	Requests []Request // by Begin
	Facts    []watch.Record
	Log      []Line
	Races    []Race // what Go's race detector told
	Samples  []Sample
	Holds    []Hold
}

// Find gives the request of an id.
func (t *Trace) Find(id string) (Request, bool) {
	for _, r := range t.Requests {
		if r.ID == id {
			return r, true
		}
	}
	return Request{}, false
}
