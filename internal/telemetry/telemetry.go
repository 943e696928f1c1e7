// Package telemetry keeps log events in append-only segment files, one folder
// per log group, outside the store.
//
// One owner goroutine (Run) does all writing: it takes what has queued up,
// encodes it per group, writes once, syncs only where a caller waits for that,
// and then publishes the new records to the in-memory index. Readers run in
// their callers' goroutines on snapshots of the index and never hold a lock
// while they read files.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/telemetry/owner"
)

// codeInvalidParameter is CloudWatch Logs' own code for a bad argument.
const codeInvalidParameter = "InvalidParameterException"

// ErrClosed says that the owner goroutine has ended.
var ErrClosed = errors.New("telemetry: closed")

// Options tune Open; the zero value is right for production.
type Options struct {
	Now          lamina.Clock // default time.Now
	Logger       *slog.Logger // default slog.Default
	SegmentBytes int64        // a segment ends when it is this long; default 16 MiB
	GroupBytes   int64        // above it a group loses its oldest segments (chosen: AWS keeps and bills all); 0: no bound
	QueueEvents  int          // requests that wait for the owner; default 8192
	QueueBytes   int64        // message bytes that wait for the owner; default 64 MiB
	OpenFiles    int          // files kept open for writing; default 128
	ScanBytes    int64        // file bytes one query may read before it answers with a token; default 128 MiB
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 16<<20)
	o.QueueEvents = cmp.Or(o.QueueEvents, 8192)
	o.QueueBytes = cmp.Or(o.QueueBytes, 64<<20)
	o.OpenFiles = cmp.Or(o.OpenFiles, 128)
	o.ScanBytes = cmp.Or(o.ScanBytes, 128<<20)
	return o
}

// Logs are the log events of all groups under one folder.
type Logs struct {
	dir   string
	opts  Options
	queue chan request
	done  chan struct{} // closed when Run has ended

	waiting atomic.Int64 // bytes in queue
	dropped atomic.Uint64
	damaged atomic.Uint64

	mu     sync.Mutex
	groups map[GroupKey]*group

	open *openFiles // the owner's alone
}

// Open prepares the folder. Groups are read on first use, so a start does not
// depend on how much is kept.
func Open(dir string, opts Options) (*Logs, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the log folder: %w", err)
	}
	l := &Logs{
		dir:    dir,
		opts:   opts,
		queue:  make(chan request, opts.QueueEvents),
		done:   make(chan struct{}),
		groups: map[GroupKey]*group{},
		open:   &openFiles{limit: opts.OpenFiles},
	}
	return l, l.removeLeftovers()
}

// removeLeftovers ends deletions that a crash interrupted.
func (l *Logs) removeLeftovers() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("listing the log folder: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), deletedSuffix) {
			if err := os.RemoveAll(filepath.Join(l.dir, e.Name())); err != nil {
				return fmt.Errorf("removing a deleted group's files: %w", err)
			}
		}
	}
	return nil
}

// group is the entry of key; it costs no I/O until it is loaded.
func (l *Logs) group(key GroupKey) *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[key]
	if g == nil {
		g = newGroup(key, filepath.Join(l.dir, key.folder()))
		l.groups[key] = g
	}
	return g
}

// loaded is the entry of key with its index read from the files.
func (l *Logs) loaded(key GroupKey) (*group, error) {
	g := l.group(key)
	damage, err := g.load()
	for _, d := range damage {
		l.damaged.Add(1)
		l.opts.Logger.Error("damaged log segment: records skipped", "group", key.Name, "file", d.file, "offset", d.at, "bytes", d.n, "what", d.what)
	}
	return g, err
}

// Dropped is how many events were dropped since Open because the queue was full.
func (l *Logs) Dropped() uint64 { return l.dropped.Load() }

// Damaged is how many unreadable places were found in segment files since Open.
func (l *Logs) Damaged() uint64 { return l.damaged.Load() }

// SetRetention says after how many days the group's events end; 0 keeps them.
// Expired events are hidden at once and their segments go with the next sweep.
// The setting is not kept in the files: whoever owns the group objects sets it
// at start.
func (l *Logs) SetRetention(key GroupKey, days int) {
	if days <= 0 && !l.known(key) {
		return // as it is without an entry
	}
	l.group(key).retention.Store(int64(days))
}

func (l *Logs) known(key GroupKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.groups[key] != nil
}

// Streams sums up every stream of the group that has events, by name.
func (l *Logs) Streams(key GroupKey) (map[string]StreamStats, error) {
	g, err := l.loaded(key)
	if err != nil {
		return nil, err
	}
	return g.stats(), nil
}

// Stream sums up one stream; the zero value where it has no events.
func (l *Logs) Stream(key GroupKey, name string) (StreamStats, error) {
	g, err := l.loaded(key)
	if err != nil {
		return StreamStats{}, err
	}
	return g.statsOf(name), nil
}

// StoredBytes is what the group's kept events count for.
func (l *Logs) StoredBytes(key GroupKey) (int64, error) {
	g, err := l.loaded(key)
	if err != nil {
		return 0, err
	}
	return g.bytes(), nil
}

// Append writes events to a stream in the order given and returns when they are
// readable and, with sync, on disk.
func (l *Logs) Append(ctx context.Context, key GroupKey, stream string, events []Event, sync bool) error {
	return l.ask(ctx, request{key: key, stream: stream, events: events, sync: sync})
}

// Offer hands events over without ever waiting. Where the queue is full they
// are dropped and counted, and Offer says false.
func (l *Logs) Offer(key GroupKey, stream string, events []Event) bool {
	r := request{key: key, stream: stream, events: events, bytes: int64(Size(events))}
	if l.waiting.Add(r.bytes) <= l.opts.QueueBytes && !l.closed() {
		select {
		case l.queue <- r:
			return true
		default:
		}
	}
	l.waiting.Add(-r.bytes)
	l.dropped.Add(uint64(len(events)))
	return false
}

// DeleteStream forgets a stream's events; a later stream of that name starts empty.
func (l *Logs) DeleteStream(ctx context.Context, key GroupKey, stream string) error {
	return l.ask(ctx, request{key: key, op: func() error { return l.deleteStream(key, stream) }})
}

// DeleteGroup removes a group's files.
func (l *Logs) DeleteGroup(ctx context.Context, key GroupKey) error {
	return l.ask(ctx, request{key: key, op: func() error { return l.deleteGroup(key) }})
}

// Retain removes the files of every group but the given ones: what a crash
// between the deletion of a group object and that of its files has left.
func (l *Logs) Retain(ctx context.Context, keys []GroupKey) error {
	return l.ask(ctx, request{op: func() error { return l.retain(keys) }})
}

// Sweep removes segments of which every event has expired. Run does it by itself.
func (l *Logs) Sweep(ctx context.Context) error {
	return l.ask(ctx, request{op: l.sweep})
}

func (l *Logs) closed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// ask queues a request and waits for the owner's answer.
func (l *Logs) ask(ctx context.Context, r request) error {
	reply := make(chan error, 1)
	r.reply = reply
	return owner.Ask(ctx, l.queue, r, reply, l.done, ErrClosed)
}
