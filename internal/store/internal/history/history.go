// Package history is the ring of recent commits that a single-process store
// keeps in memory: for its watchers, and for guards over prefixes, which must
// also see deletions.
package history

import (
	"context"
	"strings"
	"sync"

	"github.com/lamina-dev/lamina/internal/store"
)

// Limits of what a History keeps. The oldest commits go first; the newest stays
// whatever its size.
type Limits struct {
	Commits int
	Bytes   int
}

// DefaultLimits keep some minutes of a busy control plane (chosen).
var DefaultLimits = Limits{Commits: 8192, Bytes: 32 << 20}

// History is the recent commits of one store. Safe for many goroutines.
type History struct {
	limits Limits

	mu     sync.Mutex
	events []store.Event // revisions floor+1 … head, without a gap
	floor  int64         // everything after it is in events
	head   int64
	bytes  int
	grown  chan struct{} // closed and replaced when events were added
	closed chan struct{}
}

// New starts an empty history of a store that is at revision head.
func New(head int64, limits Limits) *History {
	return &History{
		limits: limits, floor: head, head: head,
		grown: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Append adds commits, whose revisions follow each other.
func (h *History) Append(events ...store.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ev := range events {
		if ev.Revision != h.head+1 {
			panic("history: gap in revisions")
		}
		h.events = append(h.events, ev)
		h.head = ev.Revision
		h.bytes += size(ev)
	}
	h.trim()
	close(h.grown)
	h.grown = make(chan struct{})
}

func (h *History) trim() {
	for len(h.events) > 1 && (len(h.events) > h.limits.Commits || h.bytes > h.limits.Bytes) {
		h.bytes -= size(h.events[0])
		h.floor = h.events[0].Revision
		h.events[0] = store.Event{}
		h.events = h.events[1:]
	}
}

// Changed reports whether a commit after since touched anything under prefix, and
// which was the last one. A past that is no longer known counts as changed, with
// revision 0.
func (h *History) Changed(prefix string, since int64) (rev int64, changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since < h.floor || since > h.head {
		return 0, true
	}
	for i := len(h.events) - 1; i >= 0 && h.events[i].Revision > since; i-- {
		if Touches(h.events[i], prefix) {
			return h.events[i].Revision, true
		}
	}
	return 0, false
}

// Touches reports whether the commit wrote or deleted something under prefix.
func Touches(ev store.Event, prefix string) bool {
	for _, op := range ev.Ops {
		if strings.HasPrefix(op.Key, prefix) {
			return true
		}
	}
	return false
}

// Watch follows the commits after the given revision.
func (h *History) Watch(after int64) (store.Watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isClosed() {
		return nil, store.ErrClosed
	}
	// A revision from the future is of another store's past: list again.
	if after < h.floor || after > h.head {
		return nil, store.ErrCompacted
	}
	return &watcher{history: h, last: after, done: make(chan struct{})}, nil
}

// Close ends all watchers with ErrClosed.
func (h *History) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.isClosed() {
		close(h.closed)
	}
}

func (h *History) isClosed() bool {
	select {
	case <-h.closed:
		return true
	default:
		return false
	}
}

// after gives the commit that follows revision last, or a channel to wait on.
func (h *History) after(last int64) (ev store.Event, grown <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case last < h.floor:
		return store.Event{}, nil, store.ErrCompacted
	case last == h.head:
		return store.Event{}, h.grown, nil
	default:
		return h.events[last-h.floor], nil, nil
	}
}

type watcher struct {
	history *History
	last    int64
	once    sync.Once
	done    chan struct{}
}

func (w *watcher) Next(ctx context.Context) (store.Event, error) {
	for {
		ev, grown, err := w.history.after(w.last)
		if err != nil {
			return store.Event{}, err
		}
		if grown == nil {
			w.last = ev.Revision
			return ev, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return store.Event{}, context.Cause(ctx)
		case <-w.done:
			return store.Event{}, store.ErrClosed
		case <-w.history.closed:
			return store.Event{}, store.ErrClosed
		}
	}
}

func (w *watcher) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func size(ev store.Event) int { return store.Batch{Ops: ev.Ops}.Size() }
