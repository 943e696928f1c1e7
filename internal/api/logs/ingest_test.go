package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/telemetry"
)

// settled waits until everything ingested so far is readable.
func (s service) settled(t *testing.T) {
	t.Helper()
	for s.waits() {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("streams are still not made")
		}
	}
	if err := s.events.Sweep(t.Context()); err != nil { // the owner has written what was queued
		t.Fatal(err)
	}
}

func (s service) waits() bool {
	s.ingester.mu.Lock()
	defer s.ingester.mu.Unlock()
	return len(s.ingester.pending) > 0
}

func line(s service, i int) []telemetry.Event {
	return []telemetry.Event{{Timestamp: s.ms(), Message: fmt.Sprint(i)}}
}

func TestIngestMakesGroupAndStreams(t *testing.T) {
	s := start(t)
	var wg sync.WaitGroup
	var names []string
	for i := range 120 { // more than one commit takes
		name := fmt.Sprintf("2026/11/24/[f]%03d", i)
		names = append(names, name)
		wg.Go(func() {
			for k := range 10 {
				s.ingester.Ingest(scope, "/aws/lambda/f", name, line(s, k))
			}
		})
	}
	wg.Wait()
	s.settled(t)
	for _, name := range names {
		out := must(s.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("/aws/lambda/f"), LogStreamName: &name}))(t)
		got := ""
		for _, e := range out.Events {
			got += *e.Message
		}
		if got != "0123456789" { // one timestamp: the order is that of arrival
			t.Errorf("%s: %q", name, got)
		}
	}
	if s.ingester.Dropped() != 0 || s.events.Dropped() != 0 {
		t.Errorf("dropped %d and %d", s.ingester.Dropped(), s.events.Dropped())
	}

	must(s.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: new("/aws/lambda/f")}))(t)
	s.ingester.Ingest(scope, "/aws/lambda/f", "again", line(s, 1))
	s.settled(t)
	if got := s.filter(t, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/f")}); len(got) != 1 {
		t.Errorf("after the group was deleted: %q", got)
	}
}

// stalled is a store whose commits fail while it is down.
type stalled struct {
	store.Store
	down atomic.Bool
}

func (s *stalled) Commit(ctx context.Context, b store.Batch) (int64, error) {
	if s.down.Load() {
		return 0, errors.New("no commits today")
	}
	return s.Store.Commit(ctx, b)
}

func TestIngestWithTheStoreDown(t *testing.T) {
	st := &stalled{Store: mem.New()}
	s := startOn(t, st, t.TempDir())
	s.newGroup(t, "g", "known")
	st.down.Store(true)
	s.ingester.Ingest(scope, "g", "new", line(s, 1))
	s.ingester.Ingest(scope, "g", "known", line(s, 2))
	if err := s.events.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.filter(t, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g")}); len(got) != 1 || got[0] != "2" {
		t.Errorf("known streams wait for the store: %q", got)
	}
	for range 3 { // 3 MiB each of 8
		s.ingester.Ingest(scope, "g", "new", []telemetry.Event{{Timestamp: s.ms(), Message: string(make([]byte, 3<<20))}})
	}
	if got := s.ingester.Dropped(); got != 1 {
		t.Errorf("dropped %d of what does not fit, want 1", got)
	}
	st.down.Store(false)
	s.settled(t)
	if got := s.filter(t, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g"), LogStreamNames: []string{"new"}}); len(got) != 3 {
		t.Errorf("%d events after the store came back", len(got))
	}
}

func TestIngestNeverWaits(t *testing.T) {
	s := start(t)
	idle := NewIngester(s.API, slog.New(slog.DiscardHandler)) // nobody runs it
	for i := range pendingStreams + 10 {
		idle.Ingest(scope, "g", fmt.Sprint(i), line(s, i))
	}
	if got := idle.Dropped(); got != 10 {
		t.Errorf("dropped %d, want 10", got)
	}
}
