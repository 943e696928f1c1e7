package mem

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		st := New()
		t.Cleanup(func() { _ = st.Close() })
		return st
	})
}

// Leases run out at the given clock's pace, to the moment.
func TestLeaseClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := New()
		a, err := st.Lease(t.Context(), "leader", "a", 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		if err := a.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		if _, err := st.Lease(t.Context(), "leader", "b", time.Second); !errors.Is(err, store.ErrLeaseHeld) {
			t.Errorf("just before the end: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := a.Renew(t.Context()); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("at the end: %v", err)
		}
		if _, err := st.Lease(t.Context(), "leader", "b", time.Second); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestHistoryLimit(t *testing.T) {
	st := NewWith(Options{History: 3})
	for range 5 {
		if _, err := st.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("k", nil)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.Watch(t.Context(), 1); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("before the history: %v", err)
	}
	if _, err := st.Watch(t.Context(), 2); err != nil {
		t.Errorf("the whole history: %v", err)
	}
}
