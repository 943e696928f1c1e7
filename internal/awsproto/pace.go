package awsproto

import (
	"net/http"
	"time"
)

// pace is how slow a client may be. An honest slow one is never cut off, since
// its deadline moves with what it has sent; one that holds its connection and
// the memory of its body for nothing is.
type pace struct {
	grace time.Duration // before anything is asked of it
	rate  int64         // bytes per second over the body's whole length so far
}

// The pace asked of clients (chosen; the Apache server asks 20 s and 500 bytes
// per second, on a far slower Internet).
const (
	defaultGrace = 10 * time.Second
	defaultRate  = 4 << 10
)

// deadline is when a body of which so many bytes have come must have brought more.
func (p pace) deadline(start time.Time, bytes int64) time.Time {
	return start.Add(p.grace + time.Duration(bytes)*time.Second/time.Duration(p.rate))
}

// hurry moves a connection's read deadline while a body comes in. A connection
// that knows no deadlines has none.
type hurry struct {
	pace  pace
	conn  *http.ResponseController
	start time.Time
}

// moved sets the deadline for what comes after so many bytes.
func (h *hurry) moved(bytes int64) { _ = h.conn.SetReadDeadline(h.pace.deadline(h.start, bytes)) }

// end lifts the deadline: what is left to do takes as long as it takes.
func (h *hurry) end() { _ = h.conn.SetReadDeadline(time.Time{}) }
