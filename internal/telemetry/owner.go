package telemetry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lamina-dev/lamina/internal/fsync"
)

const (
	// One round of the owner takes at most this much, so that a caller that
	// waits for a sync is not behind an endless stream of offers.
	roundRequests = 4096
	roundBytes    = 4 << 20

	// recordBytes bounds one record; a longer batch becomes several.
	recordBytes = 1 << 20

	deletedSuffix = ".deleted"

	sweepEvery = time.Hour // expired segments are looked for (chosen)
)

// request is one thing for the owner to do: append events, or op.
type request struct {
	key    GroupKey
	stream string
	events []Event
	bytes  int64 // counted in Logs.waiting
	sync   bool
	op     func() error
	reply  chan error // nil where nobody waits
}

func (r request) answer(err error) {
	if r.reply != nil {
		r.reply <- err
	}
}

// Run writes what is queued until ctx ends; then it writes what is left, syncs
// and closes the files.
func (l *Logs) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-l.queue:
			l.round(r)
		case <-tick.C:
			if err := l.sweep(); err != nil {
				l.opts.Logger.Error("removing expired log segments", "err", err)
			}
		case <-ctx.Done():
			return l.finish()
		}
	}
}

func (l *Logs) finish() error {
	for {
		select {
		case r := <-l.queue:
			l.round(r)
			continue
		default:
		}
		break
	}
	err := l.open.closeAll()
	close(l.done)
	for { // what slipped in while done was being closed
		select {
		case r := <-l.queue:
			l.dropped.Add(uint64(len(r.events)))
			r.answer(ErrClosed)
			continue
		default:
		}
		return err
	}
}

// round handles r and what is queued behind it, one write and at most one sync
// per group.
func (l *Logs) round(r request) {
	w := newRound(l)
	for n, size := 0, int64(0); ; n++ {
		l.waiting.Add(-r.bytes)
		size += r.bytes
		if r.op != nil {
			w.flush() // an operation sees what was queued before it
			r.answer(r.op())
		} else {
			w.add(r)
		}
		if n >= roundRequests || size >= roundBytes {
			break
		}
		select {
		case r = <-l.queue:
			continue
		default:
		}
		break
	}
	w.flush()
}

// round collects the groups that one pass of the owner writes to.
type round struct {
	logs    *Logs
	touched map[*group]*share
	order   []*group
}

// share is one group's part in a round. All its requests share one fate, as
// they share the buffer.
type share struct {
	requests []request
	sync     bool
	err      error
}

func newRound(l *Logs) *round { return &round{logs: l, touched: map[*group]*share{}} }

func (w *round) add(r request) {
	if len(r.events) == 0 {
		r.answer(nil)
		return
	}
	g, err := w.logs.loaded(r.key)
	if err != nil {
		w.logs.lost(r, err)
		return
	}
	sh := w.touched[g]
	if sh == nil {
		sh = &share{}
		w.touched[g] = sh
		w.order = append(w.order, g)
	}
	sh.requests = append(sh.requests, r)
	sh.sync = sh.sync || r.sync
	if err := w.logs.encode(g, r); err != nil {
		sh.err = err
	}
}

// flush writes what was added and answers those who wait.
func (w *round) flush() {
	for _, g := range w.order {
		sh := w.touched[g]
		err := errors.Join(sh.err, w.logs.write(g))
		if err == nil && sh.sync {
			err = w.logs.sync(g)
		}
		for _, r := range sh.requests {
			if err != nil {
				w.logs.lost(r, err)
				continue
			}
			r.answer(nil)
		}
	}
	w.order = w.order[:0]
	clear(w.touched)
}

// lost tells of events that could not be written: to who waits, else to the log.
func (l *Logs) lost(r request, err error) {
	if r.reply != nil {
		r.answer(err)
		return
	}
	l.dropped.Add(uint64(len(r.events)))
	l.opts.Logger.Error("writing log events: dropped", "group", r.key.Name, "events", len(r.events), "err", err)
}

// deleteStream runs on the owner.
func (l *Logs) deleteStream(key GroupKey, stream string) error {
	g, err := l.loaded(key)
	if err != nil {
		return err
	}
	id, ok := g.ids[stream]
	if !ok {
		return nil
	}
	if err := l.writable(g); err != nil {
		return err
	}
	g.put(note{record: record{kind: kindTombstone, stream: id}}, func(b []byte) []byte { return appendTombstone(b, id) })
	if err := l.write(g); err != nil {
		return err
	}
	return l.sync(g)
}

// isFolderName keeps retain away from what is not ours.
func isFolderName(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == folderBytes
}

// deleteGroup runs on the owner. The folder is renamed first: a crash then
// leaves all or nothing.
func (l *Logs) deleteGroup(key GroupKey) error {
	l.mu.Lock()
	g := l.groups[key]
	l.mu.Unlock()
	if g != nil {
		l.open.close(g)
	}
	doomed, err := l.doom(key.folder())
	if err != nil {
		return err
	}
	// Only now, so that no reader can load the folder anew in between.
	l.mu.Lock()
	delete(l.groups, key)
	l.mu.Unlock()
	return l.removeDoomed(doomed)
}

// doom renames a group's folder to what removeLeftovers removes.
func (l *Logs) doom(folder string) (string, error) {
	dir := filepath.Join(l.dir, folder)
	doomed := dir + "." + strconv.FormatInt(l.opts.Now().UnixNano(), 36) + deletedSuffix
	if err := os.Rename(dir, doomed); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("deleting a log group's files: %w", err)
	}
	return doomed, nil
}

func (l *Logs) removeDoomed(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing a deleted group's files: %w", err)
	}
	return fsync.Dir(l.dir)
}

// retain runs on the owner.
func (l *Logs) retain(keys []GroupKey) error {
	wanted := make(map[string]bool, len(keys))
	for _, k := range keys {
		wanted[k.folder()] = true
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("listing the log folder: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if wanted[e.Name()] || !isFolderName(e.Name()) || l.inUse(e.Name()) {
			continue
		}
		doomed, err := l.doom(e.Name())
		if err == nil {
			err = l.removeDoomed(doomed)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// inUse says whether the folder is that of a group which somebody has asked for.
func (l *Logs) inUse(folder string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.groups {
		if k.folder() == folder {
			return true
		}
	}
	return false
}

// sweep runs on the owner.
func (l *Logs) sweep() error {
	l.mu.Lock()
	groups := make([]*group, 0, len(l.groups))
	for _, g := range l.groups {
		groups = append(groups, g)
	}
	l.mu.Unlock()
	var errs []error
	for _, g := range groups {
		if g.retention.Load() > 0 {
			errs = append(errs, l.sweepGroup(g))
		}
	}
	return errors.Join(errs...)
}

func (l *Logs) sweepGroup(g *group) error {
	if _, err := l.loaded(g.key); err != nil {
		return err
	}
	cutoff := l.cutoff(g)
	var errs []error
	for _, s := range append([]*segment(nil), g.segments...) {
		if !g.removable(s, cutoff) {
			continue
		}
		if g.isLast(s) {
			l.open.close(g)
			// An empty successor keeps the count of events going.
			if err := l.startSegment(g); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		errs = append(errs, l.remove(g, s))
	}
	return errors.Join(errs...)
}

// remove takes a segment out of the index and its file away.
func (l *Logs) remove(g *group, s *segment) error {
	g.forget(s)
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing a log segment: %w", err)
	}
	return nil
}

// removable says whether every event of s has expired and no deletion that s
// records is still needed to hide events elsewhere.
func (g *group) removable(s *segment, cutoff int64) bool {
	last, any := s.last()
	if any && last >= cutoff || !any && g.isLast(s) {
		return false
	}
	return !g.hides(s)
}

// hides says whether a deletion that s records hides events elsewhere.
func (g *group) hides(s *segment) bool {
	for _, id := range s.tombs {
		for _, o := range g.segments {
			if o != s && o.streams[id] != nil {
				return true
			}
		}
	}
	return false
}

func (g *group) isLast(s *segment) bool { return s == g.segments[len(g.segments)-1] }

// cutoff is the first timestamp that the group still keeps.
func (l *Logs) cutoff(g *group) int64 {
	days := g.retention.Load()
	if days <= 0 {
		return 0
	}
	return l.opts.Now().Add(-time.Duration(days) * 24 * time.Hour).UnixMilli()
}
