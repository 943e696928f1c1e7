package telemetry

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Matcher decides by an event's message whether a query wants it.
type Matcher interface {
	Match(message string) bool
}

// Filter says which events of a group a query wants.
type Filter struct {
	Streams    []string // only these; nil: all
	Prefix     string   // only streams whose names begin so
	Start      int64    // ms, inclusive; 0: from the first
	End        int64    // ms, exclusive; 0: to the last
	Pattern    Matcher  // nil: every message
	Limit      int      // default and most 10,000
	Descending bool     // newest first
	After      *Position
}

// Page is a query's answer. Next, where not nil, is where the next page begins:
// put it into Filter.After.
type Page struct {
	Events []Found
	Next   *Position
}

const (
	// PageEvents and PageBytes bound one page (GetLogEvents, FilterLogEvents:
	// "up to 10,000 log events" or 1 MB).
	PageEvents = 10_000
	PageBytes  = 1 << 20
)

// Query finds events in order of timestamp and arrival. Events that arrive
// while a caller pages never move or repeat others; those that sort before the
// pages already given are not seen.
//
// A page may hold fewer events than asked for, or none, and still have a Next:
// one call reads only so much.
func (l *Logs) Query(ctx context.Context, key GroupKey, f Filter) (Page, error) {
	g, err := l.loaded(key)
	if err != nil {
		return Page{}, err
	}
	f.Start = max(f.Start, l.cutoff(g))
	q := newQuery(g, f)
	if err := q.run(ctx, l); err != nil {
		return Page{}, err
	}
	return q.page(), nil
}

// stretch is a chunk that a query has to read.
type stretch struct {
	seg *segment
	chunk
}

// query is one run of Query. Positions are compared through sign, so that one
// code serves both directions: "smaller" is what comes first in the answer.
type query struct {
	f        Filter
	sign     int
	group    *group
	names    map[uint64]string // streams wanted
	todo     []stretch
	best     found
	ceiling  *Position // everything from here on is for later pages
	finished *Position // where a run that stopped early stood; lies before ceiling
}

func newQuery(g *group, f Filter) *query {
	if f.Limit <= 0 || f.Limit > PageEvents {
		f.Limit = PageEvents
	}
	q := &query{f: f, sign: 1, group: g, names: map[uint64]string{}}
	if f.Descending {
		q.sign = -1
	}
	q.best.q = q
	q.snapshot()
	return q
}

func (q *query) compare(a, b Position) int { return q.sign * a.Compare(b) }

// snapshot copies from the index what the query needs.
func (q *query) snapshot() {
	g := q.group
	g.mu.RLock()
	defer g.mu.RUnlock()
	q.chooseStreams()
	for _, s := range g.segments {
		for _, c := range s.chunks {
			if q.wantsChunk(c) {
				q.todo = append(q.todo, stretch{s, c})
			}
		}
	}
	slices.SortFunc(q.todo, func(a, b stretch) int { return q.sign * cmp.Compare(q.edge(a), q.edge(b)) })
}

// edge is the timestamp at which a chunk begins in the query's direction.
func (q *query) edge(c stretch) int64 {
	if q.sign < 0 {
		return c.last
	}
	return c.first
}

// chooseStreams finds the living streams that the filter names; the caller
// holds the group's lock.
func (q *query) chooseStreams() {
	if q.f.Streams != nil {
		for _, name := range q.f.Streams {
			if id, ok := q.group.ids[name]; ok && strings.HasPrefix(name, q.f.Prefix) {
				q.names[id] = name
			}
		}
		return
	}
	for name, id := range q.group.ids {
		if strings.HasPrefix(name, q.f.Prefix) {
			q.names[id] = name
		}
	}
}

func (q *query) wantsChunk(c chunk) bool {
	f := q.f
	if c.last < f.Start || f.End != 0 && c.first >= f.End {
		return false
	}
	if f.After != nil && (q.sign > 0 && c.last < f.After.Timestamp || q.sign < 0 && c.first > f.After.Timestamp) {
		return false
	}
	return slices.ContainsFunc(c.streams, func(id uint64) bool { _, ok := q.names[id]; return ok })
}

func (q *query) run(ctx context.Context, l *Logs) error {
	read := int64(0)
	for _, c := range q.todo {
		edge := q.edge(c)
		if q.ceiling != nil && q.sign*cmp.Compare(edge, q.ceiling.Timestamp) > 0 {
			return nil
		}
		if read >= l.opts.ScanBytes && q.advances(edge) {
			q.finished = q.before(edge)
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := q.read(l, c); err != nil {
			return err
		}
		read += c.end - c.at
	}
	return nil
}

// advances says whether stopping before edge leaves the next page a later start
// than this one's.
func (q *query) advances(edge int64) bool {
	return q.f.After == nil && edge != 0 || q.f.After != nil && q.compare(*q.before(edge), *q.f.After) > 0
}

// before is the last position that sorts before every event at edge.
func (q *query) before(edge int64) *Position {
	if q.sign < 0 {
		return &Position{Timestamp: edge + 1}
	}
	return &Position{Timestamp: edge - 1, Seq: ^uint64(0)}
}

func (q *query) read(l *Logs, c stretch) error {
	data, err := readChunk(c)
	if errors.Is(err, os.ErrNotExist) { // expired or deleted meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	end, gaps := scan(data, c.seg.header.salt, func(_, _ int, payload []byte) error {
		rec, err := decodeRecord(payload)
		if err != nil || rec.kind != kindEvents {
			return err
		}
		if name, ok := q.names[rec.stream]; ok {
			return rec.each(func(p Position, message []byte) { q.consider(rec, name, p, message) })
		}
		return nil
	})
	if end < len(data) || len(gaps) > 0 {
		l.damaged.Add(1)
		l.opts.Logger.Error("damaged log segment: records skipped", "group", q.group.key.Name, "file", c.seg.path, "offset", c.at)
	}
	return nil
}

func readChunk(c stretch) ([]byte, error) {
	f, err := os.Open(c.seg.path)
	if err != nil {
		return nil, fmt.Errorf("opening a log segment: %w", err)
	}
	defer f.Close()
	data := make([]byte, c.end-c.at)
	if _, err := f.ReadAt(data, c.at); err != nil {
		return nil, fmt.Errorf("reading a log segment: %w", err)
	}
	return data, nil
}

// consider takes an event into the page if it belongs there as far as is known.
func (q *query) consider(rec record, stream string, p Position, message []byte) {
	f := q.f
	if p.Timestamp < f.Start || f.End != 0 && p.Timestamp >= f.End {
		return
	}
	if f.After != nil && q.compare(p, *f.After) <= 0 || q.ceiling != nil && q.compare(p, *q.ceiling) >= 0 {
		return
	}
	text := string(message)
	if f.Pattern != nil && !f.Pattern.Match(text) {
		return
	}
	heap.Push(&q.best, Found{
		Event:    Event{Timestamp: p.Timestamp, Ingestion: rec.ingestion, Message: text},
		Stream:   stream,
		Position: p,
	})
	for q.best.overfull() {
		q.ceiling = new(heap.Pop(&q.best).(Found).Position)
	}
}

func (q *query) page() Page {
	events := q.best.events
	if q.finished != nil { // what lies beyond may have neighbours that were not read
		events = slices.DeleteFunc(events, func(e Found) bool { return q.compare(e.Position, *q.finished) > 0 })
	}
	slices.SortFunc(events, func(a, b Found) int { return q.compare(a.Position, b.Position) })
	for i := range events {
		events[i].ID = eventID(q.group.sum, events[i].Position)
	}
	p := Page{Events: events, Next: q.finished}
	if q.finished == nil && q.ceiling != nil {
		p.Next = new(events[len(events)-1].Position)
	}
	return p
}

// found is a heap with the last event of the page on top.
type found struct {
	q      *query
	events []Found
	bytes  int
}

func (h *found) Len() int { return len(h.events) }
func (h *found) Less(i, j int) bool {
	return h.q.compare(h.events[i].Position, h.events[j].Position) > 0
}
func (h *found) Swap(i, j int) { h.events[i], h.events[j] = h.events[j], h.events[i] }

func (h *found) Push(x any) {
	e := x.(Found)
	h.events = append(h.events, e)
	h.bytes += e.size()
}

func (h *found) Pop() any {
	e := h.events[len(h.events)-1]
	h.events = h.events[:len(h.events)-1]
	h.bytes -= e.size()
	return e
}

// overfull says whether the page is complete without its last event.
func (h *found) overfull() bool {
	return len(h.events) > h.q.f.Limit || len(h.events) > 1 && h.bytes > PageBytes
}
