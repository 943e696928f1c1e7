package telemetry

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// Window says which events of one stream Get reads.
type Window struct {
	Start, End int64  // as in Filter
	Limit      int    // as in Filter
	FromHead   bool   // without a token: oldest first page, else newest
	Token      string // Forward or Backward of an earlier answer
}

// Slice is a stretch of one stream, oldest first, with tokens that lead on.
// At an end the token in that direction is the one that was asked with.
type Slice struct {
	Events            []Found
	Forward, Backward string
}

const (
	forwardPrefix  = "f/"
	backwardPrefix = "b/"
)

var (
	firstPosition = Position{Timestamp: math.MinInt64}
	lastPosition  = Position{Timestamp: math.MaxInt64, Seq: math.MaxUint64}
)

// Get reads one stream forwards or backwards.
func (l *Logs) Get(ctx context.Context, key GroupKey, stream string, w Window) (Slice, error) {
	after, backward, err := w.from()
	if err != nil {
		return Slice{}, err
	}
	page, err := l.Query(ctx, key, Filter{
		Streams: []string{stream}, Start: w.Start, End: w.End, Limit: w.Limit,
		Descending: backward, After: &after,
	})
	if err != nil {
		return Slice{}, err
	}
	events := page.Events
	if backward {
		slices.Reverse(events)
	}
	s := Slice{Events: events}
	s.Forward, s.Backward = tokens(events, page.Next, after, backward)
	return s, nil
}

// from is where reading begins and in which direction.
func (w Window) from() (after Position, backward bool, err error) {
	rest, forward := strings.CutPrefix(w.Token, forwardPrefix)
	if forward {
		after, err = ParsePosition(rest)
		return after, false, err
	}
	rest, back := strings.CutPrefix(w.Token, backwardPrefix)
	switch {
	case back:
		after, err = ParsePosition(rest)
		return after, true, err
	case w.Token != "":
		return after, false, lamina.Errorf(codeInvalidParameter, "The specified nextToken is invalid.")
	case w.FromHead:
		return firstPosition, false, nil
	}
	return lastPosition, true, nil
}

// tokens leads on from what was read. A forward token stands on the last event
// given, a backward one on the first; each excludes where it stands.
func tokens(events []Found, next *Position, after Position, backward bool) (forwardToken, backwardToken string) {
	low, high := after, after
	switch {
	case len(events) > 0:
		low, high = events[0].Position, events[len(events)-1].Position
	case backward && after == lastPosition: // an empty stream: what comes later is ahead
		high = firstPosition
	case backward:
		high = stepBack(after) // so that going forward again gives the event at after
	default:
		low = stepOn(after)
	}
	if next != nil && backward { // stopped early, short of a full page
		low = *next
	} else if next != nil {
		high = *next
	}
	return forwardPrefix + high.String(), backwardPrefix + low.String()
}

func stepBack(p Position) Position {
	if p.Seq == 0 {
		return Position{Timestamp: p.Timestamp - 1, Seq: math.MaxUint64}
	}
	return Position{Timestamp: p.Timestamp, Seq: p.Seq - 1}
}

func stepOn(p Position) Position {
	if p.Seq == math.MaxUint64 {
		return Position{Timestamp: p.Timestamp + 1}
	}
	return Position{Timestamp: p.Timestamp, Seq: p.Seq + 1}
}
