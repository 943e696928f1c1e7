package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/sqlite"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type thing struct {
	Name string   `json:"name"`
	N    int      `json:"n"`
	Tags []string `json:"tags,omitempty"`
}

// fixture is a view with two tables over a store.
type fixture struct {
	*View
	st     store.Store
	things *Table[thing]
	counts *Table[int]
}

func newFixture(t *testing.T, st store.Store) *fixture {
	t.Helper()
	v := New()
	f := &fixture{View: v, st: st, things: NewTable[thing](v, "thing/"), counts: NewTable[int](v, "count/")}
	if err := v.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return f
}

// follow runs the view until the test ends.
func (f *fixture) follow(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func (f *fixture) commit(t *testing.T, ops ...store.Op) int64 {
	t.Helper()
	rev, err := f.Commit(t.Context(), store.Batch{Ops: ops})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func keys[T any](rows []Row[T]) (ks []string) {
	for _, r := range rows {
		ks = append(ks, fmt.Sprintf("%s@%d", r.Key, r.Revision))
	}
	return ks
}

func TestTables(t *testing.T) {
	f := newFixture(t, mem.New())
	f.commit(t, f.things.Put("b/1", thing{Name: "b1", Tags: []string{"x"}}), f.things.Put("a", thing{Name: "a"}), f.counts.Put("a", 7))
	f.commit(t, f.things.Put("b/2", thing{Name: "b2"}), f.things.Put("a", thing{Name: "a", N: 2}), store.Put("elsewhere", []byte("not JSON")))
	if got, want := keys(f.things.List("")), []string{"a@2", "b/1@1", "b/2@2"}; !slices.Equal(got, want) {
		t.Errorf("all: %v, want %v", got, want)
	}
	if got, want := keys(f.things.List("b/")), []string{"b/1@1", "b/2@2"}; !slices.Equal(got, want) {
		t.Errorf("under b/: %v, want %v", got, want)
	}
	row, ok := f.things.Get("a")
	if !ok || row.Value.N != 2 || row.Revision != 2 || row.Key != "a" {
		t.Errorf("a: %+v, %v", row, ok)
	}
	if n, ok := f.counts.Get("a"); !ok || n.Value != 7 || f.counts.Len() != 1 {
		t.Errorf("count a: %+v, %v", n, ok)
	}
	f.commit(t, f.things.Delete("b/1"))
	if _, ok := f.things.Get("b/1"); ok || f.things.Len() != 2 {
		t.Error("b/1 is still there")
	}
	for row := range f.things.All() {
		if row.Key != "a" {
			t.Errorf("first row %q", row.Key)
		}
		break
	}
}

func TestSnapshotStays(t *testing.T) {
	f := newFixture(t, mem.New())
	f.commit(t, f.things.Put("a", thing{N: 1}), f.counts.Put("a", 1))
	snap := f.Snapshot()
	for i := range 200 {
		f.commit(t, f.things.Put("a", thing{N: i}), f.things.Put(fmt.Sprint(i), thing{}), f.counts.Delete("a"))
	}
	row, ok := f.things.At(snap).Get("a")
	if !ok || row.Value.N != 1 || f.things.At(snap).Len() != 1 || !f.counts.At(snap).Has("a") || snap.Revision() != 1 {
		t.Errorf("snapshot changed: %+v", row)
	}
}

func TestOpenLoads(t *testing.T) {
	st := mem.New()
	first := newFixture(t, st)
	first.commit(t, first.things.Put("a", thing{N: 1}))
	second := newFixture(t, st)
	if row, ok := second.things.Get("a"); !ok || row.Value.N != 1 || row.Revision != 1 || second.Revision() != 1 {
		t.Errorf("loaded %+v, %v at %d", row, ok, second.Revision())
	}
}

func TestUndecodable(t *testing.T) {
	st := mem.New()
	f := newFixture(t, st)
	_, err := f.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("thing/x", []byte("{"))}})
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("commit of what cannot be decoded: %v", err)
	}
	if _, err := st.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("thing/x", []byte("{"))}}); err != nil {
		t.Fatal(err)
	}
	if err := f.CatchUp(t.Context()); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("catching up over what cannot be decoded: %v", err)
	}
	v := New()
	NewTable[thing](v, "thing/")
	if err := v.Open(t.Context(), st); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("loading what cannot be decoded: %v", err)
	}
}

func TestMisuse(t *testing.T) {
	for name, do := range map[string]func(){
		"overlap":    func() { v := New(); NewTable[int](v, "a/"); NewTable[int](v, "a/b/") },
		"same":       func() { v := New(); NewTable[int](v, "a/"); NewTable[int](v, "a/") },
		"not open":   func() { NewTable[int](New(), "a/").Len() },
		"after open": func() { NewTable[int](newFixture(t, mem.New()).View, "late/") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			do()
		}()
	}
}

// A view sees what others commit: when it follows, and when it catches up.
func TestOthersCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		reader, writer := newFixture(t, st), newFixture(t, st)
		writer.commit(t, writer.counts.Put("a", 1))
		if err := reader.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !reader.counts.At(reader).Has("a") {
			t.Error("not there after catching up")
		}
		reader.follow(t)
		synctest.Wait()
		writer.commit(t, writer.counts.Put("b", 1))
		synctest.Wait()
		if !reader.counts.At(reader).Has("b") {
			t.Error("not there though it follows")
		}
		reader.commit(t, reader.counts.Put("c", 1)) // Run waits in the watcher meanwhile
		if !reader.counts.At(reader).Has("c") {
			t.Error("own commit not there")
		}
	})
}

func TestReloadWhenBehind(t *testing.T) {
	st := mem.NewWith(mem.Options{History: 2})
	slow, writer := newFixture(t, st), newFixture(t, st)
	slow.commit(t, slow.counts.Put("gone", 1))
	nudges, cancel := slow.Subscribe("thing/")
	defer cancel()
	<-nudges
	for i := range 10 {
		writer.commit(t, writer.counts.Put(fmt.Sprint(i), i), writer.counts.Delete("gone"))
	}
	if err := slow.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slow.counts.Len() != 10 || slow.Revision() != 11 {
		t.Errorf("%d rows at %d", slow.counts.Len(), slow.Revision())
	}
	select {
	case <-nudges:
	default:
		t.Error("a reload nudges everybody")
	}
	slow.commit(t, slow.counts.Put("own", 1))
	if slow.counts.Len() != 11 {
		t.Errorf("%d rows", slow.counts.Len())
	}
}

func TestSubscribe(t *testing.T) {
	f := newFixture(t, mem.New())
	nudges, cancel := f.Subscribe("thing/a", "count/")
	nudged := func() bool {
		select {
		case <-nudges:
			return true
		default:
			return false
		}
	}
	if !nudged() || nudged() {
		t.Error("does not begin with one nudge")
	}
	f.commit(t, f.things.Put("b", thing{}))
	if nudged() {
		t.Error("nudged for another prefix")
	}
	f.commit(t, f.things.Put("a1", thing{}))
	f.commit(t, f.counts.Delete("x"))
	if !nudged() || nudged() {
		t.Error("two changes are not one nudge")
	}
	cancel()
	cancel()
	f.commit(t, f.things.Put("a1", thing{}))
	if nudged() {
		t.Error("nudged after cancel")
	}
}

func TestUpdate(t *testing.T) {
	f := newFixture(t, mem.New())
	rev, err := f.Update(t.Context(), func(tx *Tx) error {
		tx.Guard(f.counts.Absent("n"))
		return tx.Do(f.counts.Put("n", 1), f.counts.Put("n", 2))
	})
	if n, _ := f.counts.Get("n"); err != nil || rev != 1 || n.Value != 2 {
		t.Fatalf("revision %d, n=%d, %v", rev, n.Value, err)
	}
	if rev, err := f.Update(t.Context(), func(*Tx) error { return nil }); rev != 1 || err != nil {
		t.Errorf("empty: %d, %v", rev, err)
	}
	mine := errors.New("mine")
	_, err = f.Update(t.Context(), func(tx *Tx) error { _ = tx.Do(f.counts.Put("n", 3)); return mine })
	if n, _ := f.counts.Get("n"); !errors.Is(err, mine) || n.Value != 2 {
		t.Errorf("own error: %v, n=%d", err, n.Value)
	}
}

// Update sees what made its guard fail, and gives up in the end.
func TestUpdateRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, mem.New())
		f.commit(t, f.counts.Put("n", 0))
		runs := 0
		_, err := f.Update(t.Context(), func(tx *Tx) error {
			runs++
			row, _ := f.counts.At(tx).Get("n")
			if runs <= 3 { // someone comes in between
				f.commit(t, f.counts.Put("n", row.Value+10))
			}
			tx.Guard(f.counts.AtRevision(row))
			return tx.Do(f.counts.Put("n", row.Value+1))
		})
		if n, _ := f.counts.Get("n"); err != nil || runs != 4 || n.Value != 31 {
			t.Errorf("%d runs, n=%d, %v", runs, n.Value, err)
		}
		_, err = f.Update(t.Context(), func(tx *Tx) error { tx.Guard(f.counts.Absent("n")); return nil })
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("hopeless: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = f.Update(ctx, func(tx *Tx) error { tx.Guard(f.counts.Absent("n")); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("out of time: %v", err)
		}
	})
}

// TestPrefixGuard adds rows to a prefix that must not hold more than ten.
func TestPrefixGuard(t *testing.T) {
	f := newFixture(t, mem.New())
	full := errors.New("full")
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			_, err := f.Update(t.Context(), func(tx *Tx) error {
				if f.counts.At(tx).Len() == 10 {
					return full
				}
				tx.Guard(f.counts.PrefixUnchanged("", tx.Revision()))
				return tx.Do(f.counts.Put(fmt.Sprint(c), c))
			})
			if err != nil && !errors.Is(err, full) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.counts.Len() != 10 {
		t.Errorf("%d rows", f.counts.Len())
	}
}

// stores are what the tests under load run over.
func stores(t *testing.T) map[string]store.Store {
	db, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return map[string]store.Store{"mem": mem.New(), "sqlite": db}
}

// TestReadYourWrites lets 32 clients create, get, update, list and delete;
// nobody ever misses what was acknowledged, alone or while the view follows.
func TestReadYourWrites(t *testing.T) {
	for _, following := range []bool{false, true} {
		for name, st := range stores(t) {
			t.Run(fmt.Sprintf("%s following=%v", name, following), func(t *testing.T) {
				f := newFixture(t, st)
				if following {
					f.follow(t)
				}
				var wg sync.WaitGroup
				for c := range 32 {
					wg.Go(func() {
						for i := range 15 {
							f.client(t, fmt.Sprintf("%02d/%02d", c, i))
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

func (f *fixture) client(t *testing.T, key string) {
	rev, err := f.Commit(t.Context(), store.Batch{
		Guards: []store.Guard{f.things.Absent(key)},
		Ops:    []store.Op{f.things.Put(key, thing{Name: key}), f.counts.Put(key, 1)},
	})
	if err != nil {
		t.Errorf("create %s: %v", key, err)
		return
	}
	row, ok := f.things.Get(key)
	if !ok || row.Revision != rev || row.Value.Name != key || f.Revision() < rev {
		t.Errorf("created %s at %d, read %+v, %v at %d", key, rev, row, ok, f.Revision())
	}
	if rows := f.counts.List(key); len(rows) != 1 {
		t.Errorf("created %s, listed %v", key, rows)
	}
	if _, err := f.Commit(t.Context(), store.Batch{
		Guards: []store.Guard{f.things.AtRevision(row)},
		Ops:    []store.Op{f.things.Delete(key), f.counts.Delete(key)},
	}); err != nil {
		t.Errorf("delete %s: %v", key, err)
	}
	if _, ok := f.things.Get(key); ok {
		t.Errorf("deleted %s is still there", key)
	}
}

// TestCounters lets 32 clients count one key up through Update while readers
// check that the two tables always agree and never go back.
func TestCounters(t *testing.T) {
	for name, st := range stores(t) {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, st)
			f.commit(t, f.counts.Put("n", 0), f.things.Put("n", thing{}))
			stop := make(chan struct{})
			var readers, writers sync.WaitGroup
			readers.Go(func() { f.checkAgreement(t, stop) })
			for range 32 {
				writers.Go(func() {
					for range 5 {
						if err := f.countUp(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			close(stop)
			readers.Wait()
			if n, _ := f.counts.Get("n"); n.Value != 32*5 {
				t.Errorf("n=%d", n.Value)
			}
		})
	}
}

func (f *fixture) countUp(ctx context.Context) error {
	_, err := f.Update(ctx, func(tx *Tx) error {
		row, _ := f.counts.At(tx).Get("n")
		tx.Guard(f.counts.AtRevision(row))
		return tx.Do(f.counts.Put("n", row.Value+1), f.things.Put("n", thing{N: row.Value + 1}))
	})
	return err
}

func (f *fixture) checkAgreement(t *testing.T, stop <-chan struct{}) {
	last := -1
	for {
		select {
		case <-stop:
			return
		default:
		}
		snap := f.Snapshot()
		n, _ := f.counts.At(snap).Get("n")
		th, _ := f.things.At(snap).Get("n")
		if n.Value != th.Value.N || n.Value < last {
			t.Errorf("tables say %d and %d, before it was %d", n.Value, th.Value.N, last)
			return
		}
		last = n.Value
	}
}

// A store that fails leaves the view readable; Run ends when the store closes.
func TestClosedStore(t *testing.T) {
	st := mem.New()
	f := newFixture(t, st)
	f.commit(t, f.counts.Put("n", 1))
	done := make(chan error, 1)
	go func() { done <- f.Run(t.Context()) }()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, store.ErrClosed) {
		t.Errorf("run: %v", err)
	}
	if _, err := f.Commit(t.Context(), store.Batch{}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("commit: %v", err)
	}
	if n, ok := f.counts.Get("n"); !ok || n.Value != 1 {
		t.Error("not readable any more")
	}
}

func BenchmarkGet(b *testing.B) {
	v := New()
	counts := NewTable[int](v, "count/")
	if err := v.Open(b.Context(), mem.New()); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if _, err := v.Commit(b.Context(), store.Batch{Ops: []store.Op{counts.Put(fmt.Sprint(i), i)}}); err != nil {
			b.Fatal(err)
		}
	}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, ok := counts.Get("500"); !ok {
				b.Fail()
			}
		}
	})
}
