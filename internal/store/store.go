package store

import (
	"context"
	"time"
)

// KV is a key with its value and the revision of the last commit that wrote it.
type KV struct {
	Key      string
	Value    []byte
	Revision int64
}

// Event is one commit: its revision and everything it wrote, in the batch's order.
type Event struct {
	Revision int64
	Ops      []Op
}

// Store keeps keys. All methods may be called at once from many goroutines.
type Store interface {
	// Get reads one key; a missing one is ErrNotFound.
	Get(ctx context.Context, key string) (KV, error)
	// List reads all keys under prefix, sorted by key, as of one revision.
	List(ctx context.Context, prefix string) (kvs []KV, revision int64, err error)
	// Commit writes all of the batch or nothing, and is durable when it returns.
	// A guard that does not hold is a *ConflictError. A batch without operations
	// checks its guards and returns the store's revision.
	Commit(ctx context.Context, b Batch) (revision int64, err error)
	// Watch follows every commit with a revision greater than after, in order and
	// without a gap. ErrCompacted says that the store no longer knows them all.
	Watch(ctx context.Context, after int64) (Watcher, error)
	// Lease takes the named lease for holder. When someone else has it, the error
	// is a *LeaseHeldError. The same holder taking it again gets a new epoch.
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error)
	// Close ends watchers and leases and releases the store.
	Close() error
}

// Watcher hands out commits one by one. It is for one goroutine at a time.
type Watcher interface {
	// Next waits for the next commit. A context that ends loses nothing: the next
	// call goes on at the same place. ErrCompacted is final: list again.
	Next(ctx context.Context) (Event, error)
	Close() error
}

// Lease is the right to act alone under a name until it runs out. Time is
// counted by the monotonic clock.
type Lease interface {
	// Epoch grows with every change of hands; it marks what the holder orders.
	Epoch() int64
	// Guard makes a commit fail unless the lease is still this one.
	Guard() Guard
	// Renew starts the time to live anew; ErrLeaseLost when it had run out.
	Renew(ctx context.Context) error
	// Release gives the lease back; a lost one is no error.
	Release(ctx context.Context) error
}

// LeasePrefix is where leases are recorded: one key each, whose revision is the
// epoch. Ordinary batches cannot write there.
const LeasePrefix = "_lease/"
