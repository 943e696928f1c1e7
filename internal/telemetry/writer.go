package telemetry

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/fsync"
)

// writer is the owner's side of a group: the file that grows and what is
// encoded for it but not yet written.
type writer struct {
	file  *os.File
	seg   *segment // the segment that grows, also while file is closed
	buf   []byte
	notes []note
	fresh map[string]uint64 // streams first named in buf
	seq   uint64            // number of the next event to encode
	used  time.Time
	young bool // the file's name may not be on disk yet

	overfull bool // the group has lost events to its bound since the start
}

// messageLimit is AWS's bound for one event; longer messages are cut.
const messageLimit = 1 << 20

// put appends one frame to buf.
func (g *group) put(n note, payload func([]byte) []byte) {
	start := len(g.buf)
	g.buf = payload(beginFrame(g.buf))
	endFrame(g.buf, start, g.seg.header.salt)
	n.at, n.end = g.seg.size+int64(start), g.seg.size+int64(len(g.buf))
	g.notes = append(g.notes, n)
}

// encode turns a request's events into frames in the group's buffer.
func (l *Logs) encode(g *group, r request) error {
	now := l.opts.Now().UnixMilli()
	for events := cutLong(r.events); len(events) > 0; {
		if err := l.writable(g); err != nil {
			return err
		}
		k := recordPrefix(events)
		id := g.streamID(r.stream)
		g.putEvents(id, now, events[:k])
		events = events[k:]
	}
	return nil
}

// cutLong shortens messages above the limit, in a copy.
func cutLong(events []Event) []Event {
	long := func(e Event) bool { return len(e.Message) > messageLimit }
	if !slices.ContainsFunc(events, long) {
		return events
	}
	events = slices.Clone(events)
	for i, e := range events {
		if long(e) {
			events[i].Message = strings.ToValidUTF8(e.Message[:messageLimit], "")
		}
	}
	return events
}

// recordPrefix is how many of the events go into one record.
func recordPrefix(events []Event) int {
	size := 0
	for i, e := range events {
		if size += e.size(); i > 0 && (size > recordBytes || e.Ingestion != events[0].Ingestion) {
			return i
		}
	}
	return len(events)
}

func (g *group) putEvents(id uint64, now int64, events []Event) {
	ingestion := events[0].Ingestion
	if ingestion == 0 {
		ingestion = now
	}
	first := g.seq
	g.seq += uint64(len(events))
	n := note{record: record{kind: kindEvents, stream: id, first: first, count: uint64(len(events))}}
	for _, e := range events {
		n.stats.add(StreamStats{First: e.Timestamp, Last: e.Timestamp, LastIngestion: ingestion, Events: 1, Bytes: int64(e.size())})
	}
	g.put(n, func(b []byte) []byte { return appendEvents(b, id, first, ingestion, events) })
}

// streamID is the stream's number, named in the growing segment if it is not yet.
func (g *group) streamID(name string) uint64 {
	if id, ok := g.fresh[name]; ok {
		return id
	}
	id, known := g.ids[name]
	if known && g.seg.streams[id] != nil {
		return id
	}
	if !known {
		id = g.nextStream
		g.nextStream++
	}
	g.fresh[name] = id
	g.put(note{record: record{kind: kindStream, stream: id, name: name}}, func(b []byte) []byte { return appendStream(b, id, name) })
	return id
}

// writable makes the group ready to encode into: an open file with room in it.
func (l *Logs) writable(g *group) error {
	g.used = l.opts.Now()
	if g.seg != nil && g.seg.size+int64(len(g.buf)) >= l.opts.SegmentBytes {
		if err := l.endSegment(g); err != nil {
			return err
		}
	}
	if g.file != nil {
		return nil
	}
	if g.seg == nil && len(g.segments) > 0 {
		g.seg = g.segments[len(g.segments)-1]
	}
	if g.seg != nil && g.seg.size < l.opts.SegmentBytes && g.seg.number == g.nextFile-1 {
		return l.reopen(g)
	}
	return l.startSegment(g)
}

func (l *Logs) endSegment(g *group) error {
	if err := l.write(g); err != nil {
		return err
	}
	if err := l.sync(g); err != nil {
		return err
	}
	l.open.close(g)
	g.seg = nil
	return l.startSegment(g)
}

// reopen opens the last segment to go on with it and cuts off a torn end.
func (l *Logs) reopen(g *group) error {
	f, err := os.OpenFile(g.seg.path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening a log segment: %w", err)
	}
	if err := errors.Join(f.Truncate(g.seg.size), seekTo(f, g.seg.size)); err != nil {
		return errors.Join(fmt.Errorf("going on with a log segment: %w", err), f.Close())
	}
	g.begin(f)
	l.open.add(g)
	return nil
}

func seekTo(f *os.File, at int64) error {
	_, err := f.Seek(at, io.SeekStart)
	return err
}

func (g *group) begin(f *os.File) {
	g.file, g.seq = f, g.nextSeq
	g.fresh = map[string]uint64{}
	g.buf, g.notes = g.buf[:0], g.notes[:0]
}

// startSegment begins a new file.
func (l *Logs) startSegment(g *group) error {
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return fmt.Errorf("making a log group's folder: %w", err)
	}
	var salt [8]byte
	rand.Read(salt[:]) // never fails
	s := newSegment(g.dir, g.nextFile, header{salt: binary.BigEndian.Uint64(salt[:]), first: g.nextSeq})
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("making a log segment: %w", err)
	}
	if _, err = f.Write(s.header.encode()); err != nil {
		return errors.Join(fmt.Errorf("beginning a log segment: %w", err), f.Close(), os.Remove(s.path))
	}
	g.seg = s
	g.addSegment(s)
	g.begin(f)
	g.young = true
	l.open.add(g)
	return l.makeRoom(g)
}

// makeRoom removes the oldest segments of a group that is over its bound.
func (l *Logs) makeRoom(g *group) error {
	if l.opts.GroupBytes <= 0 {
		return nil
	}
	total := l.opts.SegmentBytes // what the new one may grow to
	for _, s := range g.segments {
		total += s.size
	}
	for _, s := range slices.Clone(g.segments) {
		if total <= l.opts.GroupBytes || g.isLast(s) {
			return nil
		}
		if g.hides(s) {
			continue
		}
		if !g.overfull {
			g.overfull = true
			l.opts.Logger.Warn("a log group is full: its oldest events go, and will from now on", "group", g.key.Name, "bytes", l.opts.GroupBytes)
		}
		total -= s.size
		if err := l.remove(g, s); err != nil {
			return err
		}
	}
	return nil
}

// write puts the buffer into the file and publishes its records.
func (l *Logs) write(g *group) error {
	if len(g.buf) == 0 {
		return nil
	}
	notes := g.notes
	_, err := g.file.Write(g.buf)
	if err != nil {
		// Take back what part was written; a file that can't even do that is left alone.
		if errors.Join(g.file.Truncate(g.seg.size), seekTo(g.file, g.seg.size)) != nil {
			l.abandon(g)
		}
		g.dropBuffer()
		return fmt.Errorf("writing log events: %w", err)
	}
	g.publish(g.seg, notes)
	g.dropBuffer()
	return nil
}

func (g *group) dropBuffer() {
	const keep = 1 << 20 // a larger buffer was for one flood
	if cap(g.buf) > keep {
		g.buf = nil
	}
	g.buf = g.buf[:0]
	clear(g.notes)
	g.notes = g.notes[:0]
	clear(g.fresh)
	g.seq = g.nextSeq
}

// sync makes what was written durable. After a failed sync the kernel may have
// forgotten the pages, so the file is never trusted with another write.
func (l *Logs) sync(g *group) error {
	err := g.file.Sync()
	if err == nil && g.young {
		err = errors.Join(fsync.Dir(g.dir), fsync.Dir(l.dir))
	}
	if err != nil {
		l.abandon(g)
		return fmt.Errorf("syncing log events: %w", err)
	}
	g.young = false
	return nil
}

func (l *Logs) abandon(g *group) {
	l.open.close(g)
	g.seg = nil
	g.mu.Lock()
	g.nextFile++ // so that writable does not go on with the old file
	g.mu.Unlock()
}

// openFiles bounds how many groups have their file open.
type openFiles struct {
	limit  int
	groups []*group
}

func (o *openFiles) add(g *group) {
	o.groups = append(o.groups, g)
	for len(o.groups) > o.limit {
		oldest := g
		for _, c := range o.groups {
			if len(c.buf) == 0 && c.used.Before(oldest.used) {
				oldest = c
			}
		}
		if oldest == g {
			return // all others have something to write
		}
		o.close(oldest)
	}
}

func (o *openFiles) close(g *group) {
	if g.file != nil {
		g.file.Close()
		g.file = nil
	}
	o.groups = slices.DeleteFunc(o.groups, func(c *group) bool { return c == g })
}

func (o *openFiles) closeAll() error {
	var errs []error
	for _, g := range o.groups {
		errs = append(errs, g.file.Sync(), g.file.Close())
		g.file = nil
	}
	o.groups = nil
	return errors.Join(errs...)
}
