package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
)

// RunDurable checks what outlives a close. open opens the store of a folder,
// without closing it in a cleanup.
func RunDurable(t *testing.T, open func(t *testing.T, folder string) store.Store) {
	folder := t.TempDir()
	st := open(t, folder)
	write(t, st, put("a", "1"), put("b", "1"))
	write(t, st, put("a", "2"), store.Delete("b"))
	lease := take(t, st, "leader", "first", time.Hour)
	head := write(t, st, put("empty", ""))
	want := dump(t, st, "")
	if err := st.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}

	st = open(t, folder)
	defer func() {
		if err := st.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	if got := dump(t, st, ""); !slices.Equal(got, want) {
		t.Errorf("after reopening %v, want %v", got, want)
	}
	_, err := st.Watch(within(t), head-1)
	wantIs(t, err, store.ErrCompacted)
	_, err = st.Commit(within(t), store.Batch{Guards: []store.Guard{store.PrefixUnchanged("a", head-1)}})
	wantIs(t, err, store.ErrConflict)
	w := watch(t, st, head)
	if next := take(t, st, "leader", "second", time.Hour); next.Epoch() <= lease.Epoch() {
		t.Errorf("epoch %d after %d", next.Epoch(), lease.Epoch())
	}
	if rev := write(t, st, put("c", "3")); rev != head+2 {
		t.Errorf("revision %d after %d and a lease", rev, head)
	}
	if ev := next(t, w); ev.Revision != head+1 {
		t.Errorf("event %d, want %d", ev.Revision, head+1)
	}
}
