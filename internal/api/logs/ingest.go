package logs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/telemetry"
)

const (
	// pendingBytes bounds what waits for its stream to be made (chosen).
	pendingBytes = 8 << 20
	// pendingStreams bounds how many streams wait to be made (chosen).
	pendingStreams = 4096
	// createAtOnce streams go into one commit, each perhaps with its group: at
	// most store.MaxOps.
	createAtOnce = 50

	createRetryMin = 50 * time.Millisecond
	createRetryMax = 5 * time.Second
)

// Ingester takes in what functions and the platform log. Ingest never waits: a
// stream seen for the first time is made by the owner goroutine (Run) while its
// events are held back, bounded; whatever does not fit is dropped and counted.
type Ingester struct {
	api    *API
	log    *slog.Logger
	create chan lamina.LogStream

	dropped atomic.Uint64

	mu      sync.Mutex
	pending map[string]*waiting // by stream key
	bytes   int                 // of all of them
}

// waiting are the events of a stream that is being made.
type waiting struct {
	batches [][]telemetry.Event
	bytes   int
}

// NewIngester makes the service's intake; Run has to run for it.
func NewIngester(a *API, log *slog.Logger) *Ingester {
	return &Ingester{
		api:     a,
		log:     log,
		create:  make(chan lamina.LogStream, pendingStreams),
		pending: map[string]*waiting{},
	}
}

// Dropped counts the events dropped while their stream did not exist yet; those
// dropped later are in telemetry's own count.
func (in *Ingester) Dropped() uint64 { return in.dropped.Load() }

// Ingest hands over events for a stream, which with its group comes to be if it
// is not there. It keeps the slice.
func (in *Ingester) Ingest(scope lamina.Scope, group, stream string, events []telemetry.Event) {
	if len(events) == 0 {
		return
	}
	st := lamina.LogStream{Scope: scope, Group: group, Name: stream}
	key, ok := in.ready(st, events)
	if ok {
		in.api.events.Offer(key, stream, events)
	}
}

// ready says where the events belong, or holds them back until there is a place.
func (in *Ingester) ready(st lamina.LogStream, events []telemetry.Event) (telemetry.GroupKey, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	w := in.pending[st.Key()]
	if w == nil {
		g, _, err := in.api.stream(in.api.view, st.Scope, st.Group, st.Name)
		if err == nil {
			return eventsOf(g.Value), true
		}
		if w = in.begin(st); w == nil {
			in.dropped.Add(uint64(len(events)))
			return telemetry.GroupKey{}, false
		}
	}
	size := telemetry.Size(events)
	if in.bytes+size > pendingBytes {
		in.dropped.Add(uint64(len(events)))
		return telemetry.GroupKey{}, false
	}
	w.batches = append(w.batches, events)
	w.bytes += size
	in.bytes += size
	return telemetry.GroupKey{}, false
}

// begin asks the owner for a stream; nil when too many are asked for already.
func (in *Ingester) begin(st lamina.LogStream) *waiting {
	select {
	case in.create <- st:
		w := &waiting{}
		in.pending[st.Key()] = w
		return w
	default:
		return nil
	}
}

// Run makes the streams that were asked for, and applies the retention of
// groups which others change, until ctx ends.
func (in *Ingester) Run(ctx context.Context) error {
	changed, cancel := in.api.view.Subscribe(in.api.groups.Prefix())
	defer cancel()
	for {
		select {
		case st := <-in.create:
			in.make(ctx, in.more(st))
		case <-changed:
			in.api.applyRetention()
		case <-ctx.Done():
			return in.finish()
		}
	}
}

// finish counts what nobody will make any more.
func (in *Ingester) finish() error {
	for {
		select {
		case st := <-in.create:
			in.giveUp([]lamina.LogStream{st})
		default:
			return nil
		}
	}
}

// more adds what else is asked for to one commit.
func (in *Ingester) more(first lamina.LogStream) []lamina.LogStream {
	batch := []lamina.LogStream{first}
	for len(batch) < createAtOnce {
		select {
		case st := <-in.create:
			batch = append(batch, st)
		default:
			return batch
		}
	}
	return batch
}

// make commits streams, again and again while the store refuses, and lets their
// events go. A stream that the store can never hold takes no other with it.
func (in *Ingester) make(ctx context.Context, streams []lamina.LogStream) {
	for pause := createRetryMin; ; pause = min(2*pause, createRetryMax) {
		_, err := in.api.view.Update(ctx, func(tx *view.Tx) error { return in.put(tx, streams) })
		switch {
		case err == nil:
			in.release(streams)
			return
		case errors.Is(err, store.ErrInvalid) && len(streams) > 1:
			for _, st := range streams {
				in.make(ctx, []lamina.LogStream{st})
			}
			return
		case errors.Is(err, store.ErrInvalid), ctx.Err() != nil:
			in.log.Error("giving up a log stream's events", "streams", len(streams), "err", err)
			in.giveUp(streams)
			return
		}
		in.log.Error("making log streams", "streams", len(streams), "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (in *Ingester) put(tx *view.Tx, streams []lamina.LogStream) error {
	now := in.api.now()
	made := map[string]bool{}
	for _, st := range streams {
		g := lamina.LogGroup{Scope: st.Scope, Name: st.Group, Created: now, Class: model.LogGroupClassStandard}
		row, ok := in.api.groups.At(tx).Get(g.Key())
		switch {
		case ok:
			tx.Guard(in.api.groups.AtRevision(row))
		case !made[g.Key()]:
			made[g.Key()] = true
			tx.Guard(in.api.groups.Absent(g.Key()))
			tx.Do(in.api.groups.Put(g.Key(), g))
		}
		if st.Created = now; !in.api.streams.At(tx).Has(st.Key()) {
			tx.Guard(in.api.streams.Absent(st.Key()))
			tx.Do(in.api.streams.Put(st.Key(), st))
		}
	}
	return nil
}

// release hands over what waited for the streams, in order, before anything
// later can pass it: Ingest looks at pending under the same lock, and Offer does
// not wait.
func (in *Ingester) release(streams []lamina.LogStream) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, st := range streams {
		w := in.forget(st)
		g, _, err := in.api.stream(in.api.view, st.Scope, st.Group, st.Name)
		for _, events := range w.batches {
			if err != nil { // deleted again already
				in.dropped.Add(uint64(len(events)))
				continue
			}
			in.api.events.Offer(eventsOf(g.Value), st.Name, events)
		}
	}
}

func (in *Ingester) giveUp(streams []lamina.LogStream) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, st := range streams {
		for _, events := range in.forget(st).batches {
			in.dropped.Add(uint64(len(events)))
		}
	}
}

// forget takes st out of pending; the caller holds mu.
func (in *Ingester) forget(st lamina.LogStream) *waiting {
	w := in.pending[st.Key()]
	delete(in.pending, st.Key())
	in.bytes -= w.bytes
	return w
}
