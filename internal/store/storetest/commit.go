package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/store"
)

func testGetAndList(t *testing.T, st store.Store) {
	if kvs, rev, err := st.List(within(t), ""); len(kvs) != 0 || rev != 0 || err != nil {
		t.Fatalf("a new store lists %v, %d, %v", kvs, rev, err)
	}
	_, err := st.Get(within(t), "a")
	wantIs(t, err, store.ErrNotFound)
	write(t, st, put("b/2", "two"), put("a", "x"), put("b/10", "ten"), put("b", "bare"))
	write(t, st, put("b/2", "deux"), put("c", ""), put("bé", "utf8"))
	kv, err := st.Get(within(t), "b/2")
	if err != nil || kv.Key != "b/2" || string(kv.Value) != "deux" || kv.Revision != 2 {
		t.Fatalf("get: %+v, %v", kv, err)
	}
	for prefix, want := range map[string][]string{
		"":    {"a=x@1", "b=bare@1", "b/10=ten@1", "b/2=deux@2", "bé=utf8@2", "c=@2"},
		"b/":  {"b/10=ten@1", "b/2=deux@2"},
		"b":   {"b=bare@1", "b/10=ten@1", "b/2=deux@2", "bé=utf8@2"},
		"zzz": nil,
	} {
		if got := dump(t, st, prefix); !slices.Equal(got, want) {
			t.Errorf("list %q: %v, want %v", prefix, got, want)
		}
	}
	write(t, st, store.Delete("b/2"), store.Delete("never was"))
	if got := value(t, st, "b/2"); got != "-" {
		t.Errorf("deleted key reads %q", got)
	}
}

func testGuards(t *testing.T, st store.Store) {
	r1 := write(t, st, put("a/1", "x"), put("a/2", "x"))
	r2 := write(t, st, put("a/2", "y"), put("b", "x"))
	for _, c := range []struct {
		guard store.Guard
		holds bool
		found int64
	}{
		{store.AtRevision("a/1", r1), true, 0},
		{store.AtRevision("a/2", r1), false, r2},
		{store.AtRevision("a/2", r2), true, 0},
		{store.AtRevision("none", 0), false, 0},
		{store.AtRevision("none", r1), false, 0},
		{store.Absent("none"), true, 0},
		{store.Absent("a"), true, 0},
		{store.Absent("a/1"), false, r1},
		{store.PrefixUnchanged("a/", r2), true, 0},
		{store.PrefixUnchanged("a/", r1), false, r2},
		{store.PrefixUnchanged("a/1", r1), true, 0},
		{store.PrefixUnchanged("c", r1), true, 0},
		{store.PrefixUnchanged("", r1), false, r2},
		{store.PrefixUnchanged("c", r2+1000), false, 0},
	} {
		_, err := st.Commit(within(t), store.Batch{Guards: []store.Guard{c.guard}})
		if c.holds != (err == nil) {
			t.Errorf("%s: %v, want it to hold: %v", c.guard, err, c.holds)
		}
		if c.holds {
			continue
		}
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok || conflict.Guard != c.guard || conflict.Revision != c.found || !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: conflict %+v (%v), want revision %d", c.guard, conflict, err, c.found)
		}
	}
}

func testPrefixGuardSeesDeletion(t *testing.T, st store.Store) {
	before := write(t, st, put("p/1", "x"), put("p/2", "x"))
	write(t, st, store.Delete("p/1"))
	_, err := st.Commit(within(t), store.Batch{Guards: []store.Guard{store.PrefixUnchanged("p/", before)}, Ops: []store.Op{put("q", "x")}})
	wantIs(t, err, store.ErrConflict)
	if got := value(t, st, "q"); got != "-" {
		t.Errorf("refused batch wrote q=%q", got)
	}
}

func testAtomicity(t *testing.T, st store.Store) {
	rev := write(t, st, put("a", "1"))
	_, err := st.Commit(within(t), store.Batch{
		Guards: []store.Guard{store.AtRevision("a", rev), store.Absent("a")},
		Ops:    []store.Op{put("a", "2"), put("b", "2"), store.Delete("a2")},
	})
	wantIs(t, err, store.ErrConflict)
	if got := dump(t, st, ""); !slices.Equal(got, []string{"a=1@1"}) {
		t.Fatalf("after a refused batch: %v", got)
	}
	if next := write(t, st, put("c", "3")); next != rev+1 {
		t.Errorf("the refused batch took a revision: %d after %d", next, rev)
	}
}

func testBounds(t *testing.T, st store.Store) {
	many := func(n int) (ops []store.Op) {
		for i := range n {
			ops = append(ops, put(fmt.Sprintf("k%03d", i), "v"))
		}
		return ops
	}
	big := func(n int) []store.Op { return []store.Op{store.Put("k", bytes.Repeat([]byte("v"), n-1))} }
	long := strings.Repeat("k", store.MaxKey)
	for name, c := range map[string]struct {
		ops []store.Op
		ok  bool
	}{
		"most operations":  {many(store.MaxOps), true},
		"too many":         {many(store.MaxOps + 1), false},
		"most bytes":       {big(store.MaxBatchSize), true},
		"too many bytes":   {big(store.MaxBatchSize + 1), false},
		"longest key":      {[]store.Op{put(long, "v")}, true},
		"too long a key":   {[]store.Op{put(long+"k", "v")}, false},
		"empty key":        {[]store.Op{put("", "v")}, false},
		"key twice":        {[]store.Op{put("k", "v"), store.Delete("k")}, false},
		"key not UTF-8":    {[]store.Op{put("k\xff", "v")}, false},
		"key with NUL":     {[]store.Op{put("k\x00", "v")}, false},
		"key of the store": {[]store.Op{put(store.LeasePrefix+"x", "v")}, false},
	} {
		_, err := st.Commit(within(t), store.Batch{Ops: c.ops})
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := st.Commit(within(t), store.Batch{Guards: []store.Guard{{}}})
	wantIs(t, err, store.ErrInvalid)
}

func testRevisions(t *testing.T, st store.Store) {
	for want := int64(1); want <= 20; want++ {
		if rev := write(t, st, put("k", fmt.Sprint(want))); rev != want {
			t.Fatalf("revision %d, want %d", rev, want)
		}
		if _, rev, err := st.List(within(t), "none"); rev != want || err != nil {
			t.Fatalf("list says revision %d (%v), want %d", rev, err, want)
		}
	}
}

func testEmptyBatch(t *testing.T, st store.Store) {
	rev := write(t, st, put("k", "v"))
	if got := commit(t, st, store.Batch{}); got != rev {
		t.Errorf("empty batch gives revision %d, want %d", got, rev)
	}
	if got := commit(t, st, store.Batch{Guards: []store.Guard{store.AtRevision("k", rev)}}); got != rev {
		t.Errorf("guards alone give revision %d, want %d", got, rev)
	}
}

// testValuesAreKept changes what was handed in after the commit.
func testValuesAreKept(t *testing.T, st store.Store) {
	raw := []byte("value\x00\xff")
	write(t, st, store.Put("k", raw))
	copy(raw, "XXXXXXX")
	if got := value(t, st, "k"); got != "value\x00\xff" {
		t.Errorf("value is %q", got)
	}
}

func testEndedContext(t *testing.T, st store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := st.Commit(ctx, store.Batch{Ops: []store.Op{put("k", "v")}})
	wantIs(t, err, context.Canceled)
	_, err = st.Get(ctx, "k")
	wantIs(t, err, context.Canceled)
	_, _, err = st.List(ctx, "")
	wantIs(t, err, context.Canceled)
	if got := value(t, st, "k"); got != "-" {
		t.Errorf("k=%q after a commit without time", got)
	}
}

func testClosed(t *testing.T, st store.Store) {
	w, err := st.Watch(within(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = st.Commit(within(t), store.Batch{Ops: []store.Op{put("k", "v")}})
	wantIs(t, err, store.ErrClosed)
	_, err = st.Get(within(t), "k")
	wantIs(t, err, store.ErrClosed)
	_, _, err = st.List(within(t), "")
	wantIs(t, err, store.ErrClosed)
	_, err = w.Next(within(t))
	wantIs(t, err, store.ErrClosed)
	_, err = st.Watch(within(t), 0)
	wantIs(t, err, store.ErrClosed)
	if err := st.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
