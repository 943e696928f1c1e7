package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// request is a group of samples whose caller waits.
type request struct {
	samples []Sample
	reply   chan error
}

// roundRequests bounds how many callers share one sync.
const roundRequests = 256

// ageEvery is how often old buckets become wider ones (chosen).
const ageEvery = time.Minute

// file is the one that grows.
type file struct {
	*os.File
	number   uint64
	size     int64
	complete int64 // size when it was made: what memory held then
	broken   bool  // a write or sync failed: nothing may follow in it
}

// load reads the newest file; older ones are what a crash left behind it.
func (db *DB) load() error {
	numbers, err := files(db.dir)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return db.start(1, nil)
	}
	last := numbers[len(numbers)-1]
	for _, n := range numbers[:len(numbers)-1] {
		if err := os.Remove(pathOf(db.dir, n)); err != nil {
			return fmt.Errorf("removing an old metrics file: %w", err)
		}
	}
	path := pathOf(db.dir, last)
	size, err := db.all.readFile(path)
	if errors.Is(err, errDamaged) {
		db.opts.Logger.Error("a metrics file is damaged: what follows in it is lost; the file is kept", "file", path+damagedSuffix, "readable", size)
		if err := os.Rename(path, path+damagedSuffix); err != nil {
			return fmt.Errorf("setting a damaged metrics file aside: %w", err)
		}
		return db.start(last+1, db.all.encode(nil))
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the metrics file: %w", err)
	}
	if err := errors.Join(f.Truncate(size), seekTo(f, size)); err != nil {
		return errors.Join(fmt.Errorf("going on with the metrics file: %w", err), f.Close())
	}
	db.file = file{File: f, number: last, size: size}
	return nil
}

func seekTo(f *os.File, at int64) error {
	_, err := f.Seek(at, io.SeekStart)
	return err
}

// start begins a file with a content.
func (db *DB) start(number uint64, content []byte) error {
	f, err := create(db.dir, number, content)
	if err != nil {
		return err
	}
	size := int64(len(magic) + len(content))
	db.file = file{File: f, number: number, size: size, complete: size}
	return nil
}

// Run writes until ctx ends; then it writes what is left, syncs and closes.
func (db *DB) Run(ctx context.Context) error {
	flush, age := time.NewTicker(db.opts.FlushEvery), time.NewTicker(ageEvery)
	defer flush.Stop()
	defer age.Stop()
	for {
		select {
		case r := <-db.queue:
			db.round(r)
		case <-flush.C:
			if err := db.flush(); err != nil {
				db.opts.Logger.Error("writing metrics", "err", err)
			}
		case <-age.C:
			db.age()
		case <-ctx.Done():
			return db.finish()
		}
	}
}

func (db *DB) finish() error {
	for {
		select {
		case r := <-db.queue:
			db.round(r)
			continue
		default:
		}
		break
	}
	err := errors.Join(db.flush(), db.file.Sync(), db.file.Close())
	close(db.done)
	return err
}

// round writes r and what is queued behind it, with one sync.
func (db *DB) round(r request) {
	now, fresh := db.opts.Now(), table{}
	var asked []request
	for {
		if db.full(r.samples, fresh) {
			r.reply <- ErrFull
		} else {
			fresh.add(r.samples, now)
			asked = append(asked, r)
		}
		if len(asked) < roundRequests {
			select {
			case r = <-db.queue:
				continue
			default:
			}
		}
		break
	}
	err := db.ready()
	if err == nil {
		err = db.append(fresh.encode(nil), true)
	}
	if err == nil {
		db.mu.Lock()
		db.buckets += db.all.merge(fresh)
		db.mu.Unlock()
	}
	for _, r := range asked {
		r.reply <- err
	}
}

// full says whether the samples would make more metrics than are kept.
func (db *DB) full(samples []Sample, fresh table) bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	known := len(db.all)
	if known+len(fresh)+len(samples) <= db.opts.Metrics {
		return false
	}
	grown := map[string]bool{}
	for key := range fresh {
		grown[key] = true
	}
	for _, s := range samples {
		grown[s.ID.Key()] = true
	}
	for key := range grown {
		if db.all[key] == nil {
			known++
		}
	}
	return known > db.opts.Metrics
}

// flush writes what was recorded. Without a sync: a dead process loses nothing
// of it, a dead machine what its kernel had not written yet.
func (db *DB) flush() error {
	if err := db.ready(); err != nil {
		return err
	}
	db.mu.Lock()
	taken := db.pending
	db.pending = table{}
	db.mu.Unlock()
	err := db.append(taken.encode(nil), false)
	if err != nil {
		db.mu.Lock()
		db.pending.merge(taken)
		db.mu.Unlock()
	}
	return err
}

// ready replaces a file that failed or that has grown too long.
func (db *DB) ready() error {
	if f := &db.file; !f.broken && f.size <= max(db.opts.FileBytes, 2*f.complete) {
		return nil
	}
	return db.rewrite()
}

// append writes frames to the end.
func (db *DB) append(frames []byte, sync bool) error {
	if len(frames) == 0 {
		return nil
	}
	f := &db.file
	_, err := f.Write(frames)
	if err == nil && sync {
		err = f.Sync()
	}
	if err != nil {
		f.broken = true
		return fmt.Errorf("writing metrics: %w", err)
	}
	f.size += int64(len(frames))
	return nil
}

// rewrite puts what memory holds into a new file and removes the old one.
func (db *DB) rewrite() error {
	db.mu.Lock()
	content, taken := db.all.encode(nil), db.pending
	db.pending = table{}
	db.mu.Unlock()
	old := db.file
	if err := db.start(old.number+1, content); err != nil {
		db.mu.Lock()
		db.pending.merge(taken)
		db.mu.Unlock()
		return err
	}
	old.Close()
	if err := os.Remove(pathOf(db.dir, old.number)); err != nil {
		db.opts.Logger.Warn("removing an old metrics file", "err", err)
	}
	return nil
}
