package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/lamina-dev/lamina/internal/store"
)

// testCounters lets 32 clients count up three keys by compare-and-set; each
// acknowledged step must be in the end's sum, and each revision given once.
func testCounters(t *testing.T, st store.Store) {
	const clients, each, keys = 32, 10, 3
	for k := range keys {
		write(t, st, put(fmt.Sprintf("n%d", k), "0"))
	}
	var mu sync.Mutex
	given := map[int64]bool{}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for range each {
				rev, err := increment(t, st, fmt.Sprintf("n%d", c%keys))
				if err != nil {
					t.Errorf("increment: %v", err)
					return
				}
				mu.Lock()
				if given[rev] {
					t.Errorf("revision %d given twice", rev)
				}
				given[rev] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	sum := 0
	for k := range keys {
		n, err := strconv.Atoi(value(t, st, fmt.Sprintf("n%d", k)))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != clients*each {
		t.Errorf("sum %d, acknowledged %d", sum, clients*each)
	}
}

func increment(t *testing.T, st store.Store, key string) (int64, error) {
	for {
		kv, err := st.Get(within(t), key)
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(string(kv.Value))
		if err != nil {
			return 0, err
		}
		rev, err := st.Commit(within(t), store.Batch{
			Guards: []store.Guard{store.AtRevision(key, kv.Revision)},
			Ops:    []store.Op{put(key, strconv.Itoa(n+1))},
		})
		if !errors.Is(err, store.ErrConflict) {
			return rev, err
		}
	}
}

// testSnapshotReads writes pairs of equal values; no listing may see half of one
// or go back in time.
func testSnapshotReads(t *testing.T, st store.Store) {
	const writes = 100
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range writes {
			if _, err := st.Commit(within(t), store.Batch{Ops: []store.Op{put("a", fmt.Sprint(i)), put("z", fmt.Sprint(i))}}); err != nil {
				t.Errorf("commit: %v", err)
			}
		}
	})
	last := int64(0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		kvs, rev, err := st.List(within(t), "")
		switch {
		case err != nil:
			t.Fatalf("list: %v", err)
		case rev < last:
			t.Fatalf("revision went back from %d to %d", last, rev)
		case rev == 0:
			continue
		case len(kvs) != 2 || string(kvs[0].Value) != string(kvs[1].Value) || kvs[0].Revision != rev:
			t.Fatalf("revision %d lists %v", rev, kvs)
		}
		last = rev
	}
	wg.Wait()
}
