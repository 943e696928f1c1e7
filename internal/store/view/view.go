package view

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lamina-dev/lamina/internal/store"
)

// Source is what tables can be read at: a *View (its newest state), a *Snapshot
// or a *Tx.
type Source interface {
	Snapshot() *Snapshot
}

// View is the decoded copy of a store. Make it with New, register the tables,
// then Open it; after that it is safe for use by many goroutines.
type View struct {
	tables []table
	store  store.Store
	state  atomic.Pointer[Snapshot]

	// turn is held by the one goroutine that reads the watcher and applies.
	turn    chan struct{}
	watcher store.Watcher
	failed  error // why the view stopped following; final

	mu      sync.Mutex
	applied chan struct{} // closed and replaced when a commit was applied
	subs    map[*subscription]struct{}
}

// Snapshot is the state of all tables as of one revision. It never changes.
type Snapshot struct {
	revision int64
	trees    []tree // by table index
}

// Snapshot is s itself.
func (s *Snapshot) Snapshot() *Snapshot { return s }

// Revision is the last commit that the snapshot contains.
func (s *Snapshot) Revision() int64 { return s.revision }

// New makes an empty view without tables.
func New() *View {
	return &View{
		turn:    make(chan struct{}, 1),
		applied: make(chan struct{}),
		subs:    map[*subscription]struct{}{},
	}
}

// Open loads every key of st and starts to watch it.
func (v *View) Open(ctx context.Context, st store.Store) error {
	v.store = st
	if err := v.lock(ctx); err != nil {
		return err
	}
	defer v.unlock()
	return v.reload(ctx)
}

// Close stops watching. The last state stays readable.
func (v *View) Close() error {
	_ = v.lock(context.Background())
	defer v.unlock()
	v.failed = store.ErrClosed
	if v.watcher == nil {
		return nil
	}
	return v.watcher.Close()
}

// Snapshot is the newest state.
func (v *View) Snapshot() *Snapshot {
	s := v.state.Load()
	if s == nil {
		panic("view: read before Open")
	}
	return s
}

// Revision is the last commit that the view has applied.
func (v *View) Revision() int64 { return v.Snapshot().revision }

// Commit commits b and returns once this view has applied it. If the context
// ends in between, the error says so, the commit is durable, and the view
// applies it later.
func (v *View) Commit(ctx context.Context, b store.Batch) (int64, error) {
	if err := v.checkDecodes(b); err != nil {
		return 0, err
	}
	rev, err := v.store.Commit(ctx, b)
	if err != nil {
		return 0, err
	}
	if err := v.reach(ctx, rev); err != nil {
		return rev, fmt.Errorf("committed revision %d, but waiting to see it: %w", rev, err)
	}
	return rev, nil
}

// CatchUp brings the view to at least the revision that the store has now.
func (v *View) CatchUp(ctx context.Context) error {
	// No key has this prefix, so only the revision is asked for.
	_, head, err := v.store.List(ctx, "\x00")
	if err != nil {
		return fmt.Errorf("asking for the store's revision: %w", err)
	}
	return v.reach(ctx, head)
}

// Run follows the store until ctx ends (then it returns nil) or the view cannot
// go on. A view that fell behind reloads by itself.
func (v *View) Run(ctx context.Context) error {
	for {
		err := v.reach(ctx, v.Revision()+1)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// checkDecodes refuses a value that its table could not decode while that is
// still an error of the caller.
func (v *View) checkDecodes(b store.Batch) error {
	for _, op := range b.Ops {
		if _, t := v.tableOf(op.Key); t != nil && !op.Delete {
			if err := t.check(op); err != nil {
				return fmt.Errorf("%w: value of %q: %w", store.ErrInvalid, op.Key, err)
			}
		}
	}
	return nil
}

// reach returns when the view has applied rev: by reading the watcher itself
// when no one else does, so that no goroutine is needed in between.
func (v *View) reach(ctx context.Context, rev int64) error {
	for {
		v.mu.Lock()
		applied := v.applied
		v.mu.Unlock()
		if v.Revision() >= rev {
			return nil
		}
		select {
		case <-applied:
			continue
		default:
		}
		select {
		case <-applied:
		case <-ctx.Done():
			return context.Cause(ctx)
		case v.turn <- struct{}{}:
			err := v.advance(ctx, rev)
			v.unlock()
			if err != nil {
				return err
			}
		}
	}
}

// advance applies commits up to rev; the caller has the turn.
func (v *View) advance(ctx context.Context, rev int64) error {
	for v.Revision() < rev {
		if v.failed != nil {
			return v.failed
		}
		ev, err := v.watcher.Next(ctx)
		switch {
		case errors.Is(err, store.ErrCompacted):
			err = v.reload(ctx)
		case err == nil:
			err = v.apply(ev)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply makes the next state from one commit.
func (v *View) apply(ev store.Event) error {
	old := v.Snapshot()
	if ev.Revision <= old.revision {
		return nil
	}
	next := &Snapshot{revision: ev.Revision, trees: append([]tree(nil), old.trees...)}
	forked := make([]bool, len(v.tables))
	for _, op := range ev.Ops {
		i, t := v.tableOf(op.Key)
		if t == nil {
			continue
		}
		if !forked[i] {
			next.trees[i], forked[i] = next.trees[i].fork(), true
		}
		if err := t.apply(next.trees[i], op, ev.Revision); err != nil {
			v.failed = fmt.Errorf("%w: view of revision %d: value of %q: %w", store.ErrCorrupt, ev.Revision, op.Key, err)
			return v.failed
		}
	}
	v.publish(next, ev.Ops)
	return nil
}

// reload replaces the whole state by a listing; the caller has the turn.
func (v *View) reload(ctx context.Context) error {
	kvs, rev, err := v.store.List(ctx, "")
	if err != nil {
		return fmt.Errorf("loading the view: %w", err)
	}
	next := &Snapshot{revision: rev, trees: make([]tree, len(v.tables))}
	for i, t := range v.tables {
		next.trees[i] = t.empty()
	}
	for _, kv := range kvs {
		i, t := v.tableOf(kv.Key)
		if t == nil {
			continue
		}
		if err := t.apply(next.trees[i], store.Put(kv.Key, kv.Value), kv.Revision); err != nil {
			return fmt.Errorf("%w: loading the view: value of %q: %w", store.ErrCorrupt, kv.Key, err)
		}
	}
	w, err := v.store.Watch(ctx, rev)
	if err != nil {
		return fmt.Errorf("watching from revision %d: %w", rev, err)
	}
	if v.watcher != nil {
		_ = v.watcher.Close() // it has only told us that it fell behind
	}
	v.watcher = w
	v.publish(next, nil)
	return nil
}

// publish shows the next state to readers, then wakes who waits for it. Without
// ops everybody is told.
func (v *View) publish(next *Snapshot, ops []store.Op) {
	v.state.Store(next)
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.applied)
	v.applied = make(chan struct{})
	for s := range v.subs {
		if ops == nil || s.touchedBy(ops) {
			s.nudge()
		}
	}
}

func (v *View) tableOf(key string) (int, table) {
	for i, t := range v.tables {
		if strings.HasPrefix(key, t.keyPrefix()) {
			return i, t
		}
	}
	return -1, nil
}

func (v *View) lock(ctx context.Context) error {
	select {
	case v.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (v *View) unlock() { <-v.turn }
