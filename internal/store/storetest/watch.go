package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
)

func watch(t *testing.T, st store.Store, after int64) store.Watcher {
	t.Helper()
	w, err := st.Watch(within(t), after)
	if err != nil {
		t.Fatalf("watch after %d: %v", after, err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func next(t *testing.T, w store.Watcher) store.Event {
	t.Helper()
	ev, err := w.Next(within(t))
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return ev
}

func testWatch(t *testing.T, st store.Store) {
	write(t, st, put("a", "1"))
	write(t, st, put("b", "2"), store.Delete("a"))
	w := watch(t, st, 1)
	ev := next(t, w)
	if ev.Revision != 2 || len(ev.Ops) != 2 || ev.Ops[0].Key != "b" || string(ev.Ops[0].Value) != "2" ||
		ev.Ops[1].Key != "a" || !ev.Ops[1].Delete {
		t.Fatalf("event %+v", ev)
	}
	// A context that ends loses nothing.
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := w.Next(ctx)
	wantIs(t, err, context.DeadlineExceeded)
	write(t, st, put("c", "3"))
	if ev := next(t, w); ev.Revision != 3 || ev.Ops[0].Key != "c" {
		t.Fatalf("event %+v", ev)
	}
	if ev := next(t, watch(t, st, 0)); ev.Revision != 1 {
		t.Fatalf("from the start: %+v", ev)
	}
}

// testWatchUnderLoad rebuilds the store from its events while many write.
func testWatchUnderLoad(t *testing.T, st store.Store) {
	const writers, each = 8, 40
	w := watch(t, st, 0)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				_, err := st.Commit(within(t), store.Batch{Ops: []store.Op{
					put(fmt.Sprintf("k%d", j%7), fmt.Sprintf("%d.%d", i, j)), put(fmt.Sprintf("w%d", i), fmt.Sprint(j)),
				}})
				if err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	seen := map[string]string{}
	for want := int64(1); want <= writers*each; want++ {
		ev := next(t, w)
		if ev.Revision != want {
			t.Fatalf("event %d, want %d", ev.Revision, want)
		}
		for _, op := range ev.Ops {
			seen[op.Key] = fmt.Sprintf("%s=%s@%d", op.Key, op.Value, ev.Revision)
		}
	}
	wg.Wait()
	rows := dump(t, st, "")
	if len(rows) != len(seen) {
		t.Fatalf("%d keys, events made %d", len(rows), len(seen))
	}
	for _, row := range rows {
		if seen[row[:2]] != row {
			t.Errorf("store has %s, events made %s", row, seen[row[:2]])
		}
	}
}

func testWatchFuture(t *testing.T, st store.Store) {
	rev := write(t, st, put("k", "v"))
	if _, err := st.Watch(within(t), rev); err != nil {
		t.Errorf("watch from now: %v", err)
	}
	_, err := st.Watch(within(t), rev+1)
	wantIs(t, err, store.ErrCompacted)
}

// testCompaction writes until the store has forgotten its beginning.
func testCompaction(t *testing.T, st store.Store) {
	rev := write(t, st, put("quiet", "v"))
	slow := watch(t, st, 0)
	big := bytes.Repeat([]byte("v"), store.MaxBatchSize/2)
	for i := 0; ; i++ {
		write(t, st, store.Put("k", big))
		w, err := st.Watch(within(t), 0)
		if errors.Is(err, store.ErrCompacted) {
			break
		}
		if err != nil || w.Close() != nil || i == 1000 {
			t.Fatalf("after %d MiB still no compaction: %v", i/2, err)
		}
	}
	_, err := slow.Next(within(t))
	wantIs(t, err, store.ErrCompacted)
	_, err = slow.Next(within(t))
	wantIs(t, err, store.ErrCompacted)
	// Nobody knows any more whether something under the prefix was deleted.
	_, err = st.Commit(within(t), store.Batch{Guards: []store.Guard{store.PrefixUnchanged("quiet", rev)}})
	wantIs(t, err, store.ErrConflict)
	_, head, err := st.List(within(t), "none")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, st, store.Batch{Guards: []store.Guard{store.PrefixUnchanged("quiet", head), store.AtRevision("quiet", rev)}})
}

func testWatcherEnds(t *testing.T, st store.Store) {
	w := watch(t, st, 0)
	done := make(chan error)
	go func() {
		_, err := w.Next(within(t))
		done <- err
	}()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wantIs(t, <-done, store.ErrClosed)
	write(t, st, put("k", "v"))
}
