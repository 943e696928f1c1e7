package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/telemetry/owner"
)

// Errors of DB.
var (
	ErrClosed = errors.New("metric: closed")
	ErrFull   = errors.New("metric: no more metrics are kept") // Options.Metrics
)

// Options tune Open; the zero value is right for production. All are chosen.
type Options struct {
	Now        lamina.Clock  // default time.Now
	Logger     *slog.Logger  // default slog.Default
	Metrics    int           // kept at most; default 50,000
	Buckets    int           // kept at most over all series, the oldest go first; default 500,000, about 100 MB
	FileBytes  int64         // a file below that is never written anew; default 16 MiB
	FlushEvery time.Duration // how long what is recorded may be in memory only; default 10 s
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.Metrics = cmp.Or(o.Metrics, 50_000)
	o.Buckets = cmp.Or(o.Buckets, 500_000)
	o.FileBytes = cmp.Or(o.FileBytes, 16<<20)
	o.FlushEvery = cmp.Or(o.FlushEvery, 10*time.Second)
	return o
}

// DB holds all series of a folder.
type DB struct {
	dir   string
	opts  Options
	queue chan request
	done  chan struct{} // closed when Run has ended

	mu      sync.RWMutex
	all     table
	buckets int   // of all
	pending table // recorded, and not in the file yet

	file file // the owner's alone
}

// Open reads what the folder holds.
func Open(dir string, opts Options) (*DB, error) {
	db := &DB{
		dir: dir, opts: opts.withDefaults(), queue: make(chan request, 256), done: make(chan struct{}),
		all: table{}, pending: table{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the metrics folder: %w", err)
	}
	if err := db.load(); err != nil {
		return nil, err
	}
	for _, m := range db.all {
		for _, s := range m.units {
			db.buckets += len(s.buckets)
		}
	}
	db.age()
	return db, nil
}

// Put keeps samples: when it returns they are readable and on disk.
func (db *DB) Put(ctx context.Context, samples []Sample) error {
	reply := make(chan error, 1)
	return owner.Ask(ctx, db.queue, request{samples: samples, reply: reply}, reply, db.done, ErrClosed)
}

// Record keeps samples that nobody waits for: readable at once, in the file
// within Options.FlushEvery. New metrics beyond the limit are left out.
func (db *DB) Record(samples []Sample) {
	now := db.opts.Now()
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(db.all)+len(samples) > db.opts.Metrics {
		samples = slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return db.all[s.ID.Key()] == nil })
	}
	db.buckets += db.all.add(samples, now)
	db.pending.add(samples, now)
}

// Query asks for the data of one metric.
type Query struct {
	ID       ID
	Unit     string // "": any
	From, To time.Time
	Period   time.Duration // of a point, in whole seconds; points begin at From and every Period after it
}

// Points are the data of a metric in one unit, in the order of time.
type Points struct {
	Unit   string
	Points []Point
}

// Point sums up one period.
type Point struct {
	Time time.Time
	Stat Stat
}

// Query gives the points that have data, per unit.
func (db *DB) Query(q Query) []Points {
	db.mu.RLock()
	defer db.mu.RUnlock()
	m := db.all[q.ID.Key()]
	if m == nil {
		return nil
	}
	var out []Points
	for _, s := range m.units {
		if q.Unit != "" && q.Unit != s.unit {
			continue
		}
		if points := s.points(q); len(points) > 0 {
			out = append(out, Points{s.unit, points})
		}
	}
	return out
}

func (s *series) points(q Query) []Point {
	from, to, period := q.From.Unix(), q.To.Unix(), int64(q.Period/time.Second)
	var out []Point
	i, _ := s.find(from, 0)
	for _, b := range s.buckets[i:] {
		if b.start >= to {
			break
		}
		at := time.Unix(b.start-(b.start-from)%period, 0).UTC()
		if len(out) == 0 || !out[len(out)-1].Time.Equal(at) {
			out = append(out, Point{Time: at})
		}
		out[len(out)-1].Stat.Merge(b.Stat)
	}
	return out
}

// Listed is a metric with the time of its newest data.
type Listed struct {
	ID   ID
	Last time.Time
}

// List gives the metrics of a scope that have data, in the order of namespace,
// name and dimensions.
func (db *DB) List(scope lamina.Scope) []Listed {
	db.mu.RLock()
	var out []Listed
	for _, m := range db.all {
		if m.id.Scope != scope {
			continue
		}
		last := int64(0)
		for _, s := range m.units {
			last = max(last, s.last())
		}
		if last > 0 {
			out = append(out, Listed{m.id, time.Unix(last, 0)})
		}
	}
	db.mu.RUnlock()
	slices.SortFunc(out, func(a, b Listed) int { return Compare(a.ID, b.ID) })
	return out
}

// Compare orders metrics of one scope.
func Compare(a, b ID) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
		slices.CompareFunc(a.Dimensions, b.Dimensions, func(a, b Dimension) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
		}))
}

// age makes old buckets wider and forgets what is too old or too much.
func (db *DB) age() {
	now := db.opts.Now()
	db.mu.Lock()
	defer db.mu.Unlock()
	cutoff := db.cutoff()
	for key, m := range db.all {
		left := 0
		for _, s := range m.units {
			db.buckets -= s.age(now, cutoff)
			left += len(s.buckets)
		}
		if left == 0 {
			delete(db.all, key)
		}
	}
}

// cutoff is before which data go because there is too much; then a tenth more
// goes at once. The caller holds mu.
func (db *DB) cutoff() int64 {
	if db.buckets <= db.opts.Buckets {
		return 0
	}
	starts := make([]int64, 0, db.buckets)
	for _, m := range db.all {
		for _, s := range m.units {
			for _, b := range s.buckets {
				starts = append(starts, b.start)
			}
		}
	}
	slices.Sort(starts)
	return starts[len(starts)-db.opts.Buckets*9/10]
}
