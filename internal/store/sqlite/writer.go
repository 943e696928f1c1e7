package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/internal/history"
	"github.com/ncruces/go-sqlite3"
)

// Bounds of one transaction: what waits beyond them goes into the next.
const (
	maxGroup     = 256
	maxGroupSize = 8 << 20
)

type request struct {
	ctx    context.Context
	batch  store.Batch
	answer chan answer // takes one without a reader
}

type answer struct {
	revision int64
	err      error
}

// writer is the one goroutine that writes.
type writer struct {
	store     *Store
	file, vfs string
	conn      *conn // nil after a fault, until it could be opened again
	revision  int64 // of the last durable commit
}

func (w *writer) open(ctx context.Context) error {
	const doing = "opening the store"
	if err := prepare(ctx, w.file, w.vfs, w.store.head.revision); err != nil {
		if _, ok := errors.AsType[*store.CorruptError](err); ok {
			return err
		}
		return damage(w.file, doing, err)
	}
	if err := w.connect(); err != nil {
		return damage(w.file, doing, err)
	}
	var err error
	if w.revision, err = w.conn.headRevision(); err != nil {
		return damage(w.file, doing, err)
	}
	return nil
}

func (w *writer) connect() (err error) {
	w.conn, err = openConn(w.file, w.vfs)
	return err
}

// tidy moves the log into the main file, so that an ordinary end leaves one file.
// If that does not work, the log stays and the next start reads it.
func (w *writer) tidy() error {
	if w.conn == nil {
		return nil
	}
	if _, _, err := w.conn.db.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE); err != nil {
		return fmt.Errorf("moving the log into the store: %w", err)
	}
	return nil
}

// run serves the queue until the store closes.
func (w *writer) run() {
	defer close(w.store.ended)
	for {
		select {
		case <-w.store.ending:
			return
		case req := <-w.store.queue:
			w.serve(w.gather(req))
		}
	}
}

// gather takes what waits besides first.
func (w *writer) gather(first *request) []*request {
	group, size := []*request{first}, first.batch.Size()
	for len(group) < maxGroup && size < maxGroupSize {
		select {
		case req := <-w.store.queue:
			group, size = append(group, req), size+req.batch.Size()
		default:
			return group
		}
	}
	return group
}

// serve commits a group and answers everybody in it. Nobody is answered before:
// even a conflict may be with a neighbour whose write then fails.
func (w *writer) serve(group []*request) {
	answers, events, err := w.transact(group)
	if err != nil {
		for _, req := range group {
			req.answer <- answer{err: damage(w.file, "writing the store", err)}
		}
		return
	}
	if len(events) > 0 {
		w.revision = events[len(events)-1].Revision
		w.store.head.note(w.revision)
		w.store.history.Append(events...)
	}
	for i, req := range group {
		req.answer <- answers[i]
	}
}

// transact writes the group in one transaction. After a fault the connection is
// given up together with whatever it believes about the file; the next group
// begins with a new one.
func (w *writer) transact(group []*request) ([]answer, []store.Event, error) {
	if w.conn == nil {
		if err := w.connect(); err != nil {
			return nil, nil, err
		}
	}
	answers, events, err := w.try(group)
	if err != nil {
		_ = w.conn.close() // the fault that matters is err
		w.conn = nil
		return nil, nil, err
	}
	return answers, events, nil
}

func (w *writer) try(group []*request) ([]answer, []store.Event, error) {
	if err := w.conn.db.Exec(`BEGIN IMMEDIATE`); err != nil {
		return nil, nil, err
	}
	answers := make([]answer, len(group))
	var events []store.Event
	for i, req := range group {
		ev, a, err := w.one(req, events)
		if err != nil {
			return nil, nil, err
		}
		answers[i] = a
		if len(ev.Ops) > 0 {
			events = append(events, ev)
		}
	}
	if len(events) == 0 {
		return answers, nil, w.conn.db.Exec(`ROLLBACK`)
	}
	if err := w.conn.writeHead(events[len(events)-1].Revision); err != nil {
		return nil, nil, err
	}
	return answers, events, w.conn.db.Exec(`COMMIT`)
}

// one does a single batch within the transaction. Its error ends all of it; what
// concerns this batch alone is in the answer.
func (w *writer) one(req *request, before []store.Event) (store.Event, answer, error) {
	var none store.Event
	if req.ctx.Err() != nil {
		return none, answer{err: context.Cause(req.ctx)}, nil
	}
	for _, g := range req.batch.Guards {
		found, ok, err := w.holds(g, before)
		if err != nil {
			return none, answer{}, fmt.Errorf("checking a guard: %w", err)
		}
		if !ok {
			return none, answer{err: &store.ConflictError{Guard: g, Revision: found}}, nil
		}
	}
	rev := w.revision + int64(len(before))
	if len(req.batch.Ops) == 0 {
		return none, answer{revision: rev}, nil
	}
	ev := store.Event{Revision: rev + 1, Ops: make([]store.Op, len(req.batch.Ops))}
	for i, op := range req.batch.Ops {
		op.Value = bytes.Clone(op.Value)
		ev.Ops[i] = op
		if err := w.conn.write(op, ev.Revision); err != nil {
			return none, answer{}, err
		}
	}
	return ev, answer{revision: ev.Revision}, nil
}

// holds checks a guard against the file, this transaction's writes included.
func (w *writer) holds(g store.Guard, before []store.Event) (found int64, ok bool, err error) {
	if g.Kind == store.GuardPrefixUnchanged {
		for i := len(before) - 1; i >= 0 && before[i].Revision > g.Revision; i-- {
			if history.Touches(before[i], g.Key) {
				return before[i].Revision, false, nil
			}
		}
		found, changed := w.store.history.Changed(g.Key, g.Revision)
		return found, !changed, nil
	}
	found, err = w.conn.revisionOf(g.Key)
	if g.Kind == store.GuardAbsent {
		return found, found == 0, err
	}
	return found, found != 0 && found == g.Revision, err
}
