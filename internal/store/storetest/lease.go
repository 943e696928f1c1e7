package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
)

func take(t *testing.T, st store.Store, name, holder string, ttl time.Duration) store.Lease {
	t.Helper()
	l, err := st.Lease(within(t), name, holder, ttl)
	if err != nil {
		t.Fatalf("lease %q for %q: %v", name, holder, err)
	}
	return l
}

func testLease(t *testing.T, st store.Store) {
	a := take(t, st, "leader", "a", time.Hour)
	_, err := st.Lease(within(t), "leader", "b", time.Hour)
	wantIs(t, err, store.ErrLeaseHeld)
	if held, ok := errors.AsType[*store.LeaseHeldError](err); !ok || held.Holder != "a" || held.Name != "leader" {
		t.Errorf("error %v does not name the holder", err)
	}
	take(t, st, "other", "b", time.Hour)
	if err := a.Renew(within(t)); err != nil {
		t.Errorf("renew: %v", err)
	}
	again := take(t, st, "leader", "a", time.Hour)
	if again.Epoch() <= a.Epoch() {
		t.Errorf("epoch %d after %d", again.Epoch(), a.Epoch())
	}
	wantIs(t, a.Renew(within(t)), store.ErrLeaseLost)
	if err := a.Release(within(t)); err != nil {
		t.Errorf("releasing a lost lease: %v", err)
	}
	if err := again.Renew(within(t)); err != nil {
		t.Errorf("the release of a lost lease took the next one: %v", err)
	}
	if err := again.Release(within(t)); err != nil {
		t.Fatalf("release: %v", err)
	}
	wantIs(t, again.Renew(within(t)), store.ErrLeaseLost)
	if b := take(t, st, "leader", "b", time.Hour); b.Epoch() <= again.Epoch() {
		t.Errorf("epoch %d after %d", b.Epoch(), again.Epoch())
	}
	_, err = st.Lease(within(t), "bad", "a", 0)
	wantIs(t, err, store.ErrInvalid)
}

func testLeaseExpiry(t *testing.T, st store.Store) {
	a := take(t, st, "leader", "a", 50*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		b, err := st.Lease(ctx, "leader", "b", time.Hour)
		if err == nil {
			if b.Epoch() <= a.Epoch() {
				t.Errorf("epoch %d after %d", b.Epoch(), a.Epoch())
			}
			break
		}
		wantIs(t, err, store.ErrLeaseHeld)
		<-poll.C
	}
	wantIs(t, a.Renew(within(t)), store.ErrLeaseLost)
}

// testLeaseGuard lets a leader that was replaced try to write.
func testLeaseGuard(t *testing.T, st store.Store) {
	a := take(t, st, "leader", "a", time.Hour)
	guarded := func(l store.Lease, value string) error {
		_, err := st.Commit(within(t), store.Batch{Guards: []store.Guard{l.Guard()}, Ops: []store.Op{put("k", value)}})
		return err
	}
	if err := guarded(a, "a"); err != nil {
		t.Fatalf("as leader: %v", err)
	}
	if err := a.Release(within(t)); err != nil {
		t.Fatal(err)
	}
	wantIs(t, guarded(a, "stale"), store.ErrConflict)
	b := take(t, st, "leader", "b", time.Hour)
	wantIs(t, guarded(a, "stale"), store.ErrConflict)
	if err := guarded(b, "b"); err != nil || value(t, st, "k") != "b" {
		t.Errorf("as the next leader: %v, k=%s", err, value(t, st, "k"))
	}
}
