// Package mem is the store that lives and dies with the process: for tests and
// for the simulation. It starts no goroutine and blocks only in Watcher.Next.
package mem

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/internal/history"
	"github.com/lamina-dev/lamina/internal/store/internal/lease"
	"github.com/tidwall/btree"
)

// Options vary a Store; the zero value is the default.
type Options struct {
	Clock   lamina.Clock // for leases; time.Now when nil
	History int          // commits kept for watchers; some thousands when 0
}

// Store is a store.Store in memory.
type Store struct {
	history *history.History
	leases  *lease.Table

	mu     sync.RWMutex
	rows   *btree.Map[string, store.KV]
	head   int64
	closed bool
}

var _ store.Store = (*Store)(nil)

// New makes an empty store with the default options.
func New() *Store { return NewWith(Options{}) }

// NewWith makes an empty store.
func NewWith(o Options) *Store {
	limits := history.DefaultLimits
	if o.History > 0 {
		limits.Commits = o.History
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Store{rows: btree.NewMap[string, store.KV](0), history: history.New(0, limits)}
	s.leases = lease.New(s.commit, o.Clock)
	return s
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.KV, error) {
	if err := ctx.Err(); err != nil {
		return store.KV{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.KV{}, store.ErrClosed
	}
	kv, ok := s.rows.Get(key)
	if !ok {
		return store.KV{}, store.ErrNotFound
	}
	return kv, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]store.KV, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, 0, store.ErrClosed
	}
	var kvs []store.KV
	s.rows.Ascend(prefix, func(key string, kv store.KV) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		kvs = append(kvs, kv)
		return true
	})
	return kvs, s.head, nil
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, b store.Batch) (int64, error) {
	if err := b.Validate(); err != nil {
		return 0, err
	}
	return s.commit(ctx, b)
}

func (s *Store) commit(ctx context.Context, b store.Batch) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	for _, g := range b.Guards {
		if found, ok := s.holds(g); !ok {
			return 0, &store.ConflictError{Guard: g, Revision: found}
		}
	}
	if len(b.Ops) == 0 {
		return s.head, nil
	}
	return s.write(b.Ops), nil
}

func (s *Store) holds(g store.Guard) (found int64, ok bool) {
	if g.Kind == store.GuardPrefixUnchanged {
		found, changed := s.history.Changed(g.Key, g.Revision)
		return found, !changed
	}
	kv, exists := s.rows.Get(g.Key)
	if g.Kind == store.GuardAbsent {
		return kv.Revision, !exists
	}
	return kv.Revision, exists && kv.Revision == g.Revision
}

func (s *Store) write(ops []store.Op) int64 {
	s.head++
	ev := store.Event{Revision: s.head, Ops: make([]store.Op, len(ops))}
	for i, op := range ops {
		op.Value = bytes.Clone(op.Value)
		ev.Ops[i] = op
		if op.Delete {
			s.rows.Delete(op.Key)
			continue
		}
		s.rows.Set(op.Key, store.KV{Key: op.Key, Value: op.Value, Revision: s.head})
	}
	s.history.Append(ev)
	return s.head
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, after int64) (store.Watcher, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.history.Watch(after)
}

// Lease implements store.Store.
func (s *Store) Lease(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error) {
	return s.leases.Take(ctx, name, holder, ttl)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.history.Close()
	return nil
}
