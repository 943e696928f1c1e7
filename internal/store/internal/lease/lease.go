// Package lease keeps the leases of a store that lives in one process: who holds
// which is recorded as a key, how long is counted here by the monotonic clock.
//
// The process that owns the store has all its leases, so after a start nobody
// holds one; the recorded keys only keep the epochs growing.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store"
)

// Committer commits a batch that may write under store.LeasePrefix.
type Committer func(ctx context.Context, b store.Batch) (int64, error)

// Table is the leases of one store.
type Table struct {
	commit Committer
	clock  lamina.Clock

	// turn is a mutex that a context can give up on; it is held over a commit,
	// as changes of hands are rare.
	turn chan struct{}

	mu   sync.Mutex
	held map[string]*grant
}

// New makes the table of a store that has just been opened.
func New(commit Committer, clock lamina.Clock) *Table {
	return &Table{commit: commit, clock: clock, turn: make(chan struct{}, 1), held: map[string]*grant{}}
}

// Take gives holder the lease if nobody else has it.
func (t *Table) Take(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error) {
	if name == "" || holder == "" || ttl <= 0 {
		return nil, fmt.Errorf("%w: lease %q for %q over %s", store.ErrInvalid, name, holder, ttl)
	}
	if err := t.lock(ctx); err != nil {
		return nil, err
	}
	defer t.unlock()
	if g := t.current(name); g != nil && g.holder != holder {
		return nil, &store.LeaseHeldError{Name: name, Holder: g.holder}
	}
	rev, err := t.commit(ctx, store.Batch{Ops: []store.Op{store.Put(store.LeasePrefix+name, []byte(holder))}})
	if err != nil {
		return nil, fmt.Errorf("recording lease %q: %w", name, err)
	}
	g := &grant{table: t, name: name, holder: holder, ttl: ttl, epoch: rev, until: t.clock().Add(ttl)}
	t.mu.Lock()
	t.held[name] = g
	t.mu.Unlock()
	return g, nil
}

// current is the grant of name that has not run out.
func (t *Table) current(name string) *grant {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.held[name]
	if g == nil || !t.clock().Before(g.until) {
		return nil
	}
	return g
}

func (t *Table) lock(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *Table) unlock() { <-t.turn }

// grant is one lease in one hand.
type grant struct {
	table        *Table
	name, holder string
	ttl          time.Duration
	epoch        int64
	until        time.Time // guarded by table.mu
}

func (g *grant) Epoch() int64 { return g.epoch }

func (g *grant) Guard() store.Guard { return store.AtRevision(store.LeasePrefix+g.name, g.epoch) }

func (g *grant) Renew(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.table.mu.Lock()
	defer g.table.mu.Unlock()
	now := g.table.clock()
	if g.table.held[g.name] != g || !now.Before(g.until) {
		return fmt.Errorf("%w: %q", store.ErrLeaseLost, g.name)
	}
	g.until = now.Add(g.ttl)
	return nil
}

func (g *grant) Release(ctx context.Context) error {
	if err := g.table.lock(ctx); err != nil {
		return err
	}
	defer g.table.unlock()
	_, err := g.table.commit(ctx, store.Batch{
		Guards: []store.Guard{g.Guard()},
		Ops:    []store.Op{store.Delete(store.LeasePrefix + g.name)},
	})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("releasing lease %q: %w", g.name, err)
	}
	g.table.mu.Lock()
	defer g.table.mu.Unlock()
	if g.table.held[g.name] == g {
		delete(g.table.held, g.name)
	}
	return nil
}
