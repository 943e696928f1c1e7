// Package sqlite is the durable store of a single server: one SQLite file in the
// data folder, owned by one process.
//
// The folder holds state.db (with its -wal and -shm files while open), lock (who
// owns the folder) and state.head (the last acknowledged revision, the evidence
// that nothing was lost since). One goroutine writes: it drains the waiting
// batches into one transaction, so that many clients share one sync.
//
// Every page of the file carries a checksum, and Open checks all of them: damage
// is reported with the file's name, never repaired by leaving something out.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/fsync"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/internal/history"
	"github.com/lamina-dev/lamina/internal/store/internal/lease"
)

// Names of the files in the data folder.
const (
	FileName = "state.db"
	headName = "state.head"
	lockName = "lock"
)

// readers is how many Gets and Lists run at once; most reads go to a view.
const readers = 2

// Store is a store.Store in a data folder.
type Store struct {
	folder  string
	lock    *folderLock
	head    *headFile
	history *history.History
	leases  *lease.Table

	idle   chan *conn // the readers that nobody uses
	queue  chan *request
	ending chan struct{} // closed when Close begins
	ended  chan struct{} // closed when the writer has stopped
	once   sync.Once
	writer *writer
}

var _ store.Store = (*Store)(nil)

// Open opens or makes the store in folder. A folder that another process owns is
// an *InUseError, a damaged file a *store.CorruptError.
func Open(ctx context.Context, folder string) (*Store, error) {
	return openOn(ctx, folder, diskName)
}

// openOn opens the store on a file system of SQLite's, by which tests inject faults.
func openOn(ctx context.Context, folder, vfs string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	s := &Store{
		folder: folder, lock: lock,
		idle:   make(chan *conn, readers),
		queue:  make(chan *request, maxGroup),
		ending: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := s.open(ctx, vfs); err != nil {
		return nil, errors.Join(err, s.release())
	}
	go s.writer.run()
	return s, nil
}

func (s *Store) open(ctx context.Context, vfs string) error {
	file := filepath.Join(s.folder, FileName)
	var err error
	if s.head, err = openHead(filepath.Join(s.folder, headName)); err != nil {
		return err
	}
	w := &writer{store: s, file: file, vfs: vfs}
	s.writer = w
	if err := w.open(ctx); err != nil {
		return err
	}
	for range readers {
		c, err := openConn(file, w.vfs)
		if err != nil {
			return damage(file, "opening the store for reading", err)
		}
		s.idle <- c
	}
	s.history = history.New(w.revision, history.DefaultLimits)
	s.leases = lease.New(s.commit, time.Now)
	return fsync.Dir(s.folder)
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (kv store.KV, err error) {
	err = s.read(ctx, func(c *conn) (err error) {
		kv, err = c.get(key)
		return err
	})
	return kv, err
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) (kvs []store.KV, revision int64, err error) {
	err = s.read(ctx, func(c *conn) (err error) {
		kvs, revision, err = c.list(prefix)
		return err
	})
	return kvs, revision, err
}

// read lends fn a connection that nobody else uses meanwhile.
func (s *Store) read(ctx context.Context, fn func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.ending:
		return store.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	case c := <-s.idle:
		c.db.SetInterrupt(ctx)
		err := fn(c)
		c.db.SetInterrupt(context.Background())
		s.idle <- c
		if err == nil || errors.Is(err, store.ErrNotFound) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return damage(s.writer.file, "reading the store", err)
	}
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
	req := &request{ctx: ctx, batch: b, answer: make(chan answer, 1)}
	select {
	case s.queue <- req:
	case <-s.ending:
		return 0, store.ErrClosed
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case a := <-req.answer:
		return a.revision, a.err
	case <-ctx.Done():
		return 0, fmt.Errorf("no answer to the commit yet: %w", context.Cause(ctx))
	case <-s.ended:
	}
	select { // the writer may have answered as its last act
	case a := <-req.answer:
		return a.revision, a.err
	default:
		return 0, store.ErrClosed
	}
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

// Close lets the commit under way finish, refuses the others, and gives the data
// folder free.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.ending)
		<-s.ended
		s.history.Close()
		err = s.release()
	})
	return err
}

// release closes what open opened.
func (s *Store) release() error {
	var errs []error
	if s.history != nil { // opened in full: wait for reads under way
		for range readers {
			errs = append(errs, (<-s.idle).close())
		}
		errs = append(errs, s.writer.tidy())
	}
	for len(s.idle) > 0 {
		errs = append(errs, (<-s.idle).close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.conn.close())
	}
	errs = append(errs, s.head.close(), s.lock.release())
	return errors.Join(errs...)
}
