package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAppendedEventsAreReadInOrderOfTimeThenArrival(t *testing.T) {
	l := start(t, t.TempDir(), Options{})
	l.append(t, "a", Event{Timestamp: 5, Message: "a5"}, Event{Timestamp: 7, Message: "a7"})
	l.append(t, "b", Event{Timestamp: 5, Message: "b5"}, Event{Timestamp: 1, Message: "b1"})
	got := l.all(t, Filter{})
	if want := []string{"b1", "a5", "b5", "a7"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	slices.Reverse(got)
	if back := l.all(t, Filter{Descending: true}); !slices.Equal(got, back) {
		t.Errorf("descending: got %q, want %q", back, got)
	}
}

type contains string

func (c contains) Match(m string) bool { return strings.Contains(m, string(c)) }

func TestFilters(t *testing.T) {
	l := start(t, t.TempDir(), Options{})
	l.append(t, "a/1", lines(10, 3)...)
	l.append(t, "a/2", lines(20, 3)...)
	l.append(t, "b", lines(30, 3)...)
	for name, c := range map[string]struct {
		f    Filter
		want string
	}{
		"stream":       {Filter{Streams: []string{"b"}}, "30 31 32"},
		"no stream":    {Filter{Streams: []string{"x"}}, ""},
		"prefix":       {Filter{Prefix: "a/"}, "10 11 12 20 21 22"},
		"start":        {Filter{Start: 22}, "22 30 31 32"},
		"end excluded": {Filter{End: 12}, "10 11"},
		"pattern":      {Filter{Pattern: contains("1")}, "10 11 12 21 31"},
		"both":         {Filter{Start: 11, End: 21, Limit: 1}, "11 12 20"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.ReplaceAll(strings.Join(l.all(t, c.f), " "), "line ", "")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestPagesAgainstModel pages in both directions with small pages, small
// segments and a tiny scan budget over events in random order of time.
func TestPagesAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	l := start(t, t.TempDir(), Options{SegmentBytes: 8 << 10, ScanBytes: 1})
	var model []Event
	for range 60 {
		batch := lines(rnd.Int64N(500), 1+rnd.IntN(40))
		for i := range batch {
			batch[i].Message += strings.Repeat(".", rnd.IntN(200))
		}
		l.append(t, []string{"a", "b", "c"}[rnd.IntN(3)], batch...)
		model = append(model, batch...)
	}
	sort.SliceStable(model, func(i, j int) bool { return model[i].Timestamp < model[j].Timestamp })
	want := messages(model)
	for _, limit := range []int{1000, 7, 1} {
		if diff := cmp.Diff(want, l.all(t, Filter{Limit: limit})); diff != "" {
			t.Fatalf("limit %d: %s", limit, diff)
		}
	}
	slices.Reverse(want)
	if diff := cmp.Diff(want, l.all(t, Filter{Limit: 13, Descending: true})); diff != "" {
		t.Fatalf("descending: %s", diff)
	}
}

func TestPagesAreStableAgainstAppends(t *testing.T) {
	l := start(t, t.TempDir(), Options{})
	l.append(t, "a", lines(0, 10)...)
	page, err := l.Query(t.Context(), groupF, Filter{Limit: 4})
	if err != nil {
		t.Fatal(err)
	}
	l.append(t, "a", lines(0, 20)...) // half of them sort before the next page
	token, err := ParsePosition(page.Next.String())
	if err != nil {
		t.Fatal(err)
	}
	next, err := l.Query(t.Context(), groupF, Filter{Limit: 2, After: &token})
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Events[0].Message + next.Events[1].Message; got != "line 3line 4" {
		t.Errorf("second page begins %q", got)
	}
	if _, err := ParsePosition("zz"); err == nil {
		t.Error("a foreign token was accepted")
	}
}

func TestPageIsBoundedInBytes(t *testing.T) {
	l := start(t, t.TempDir(), Options{})
	big := strings.Repeat("x", 300<<10)
	for i := range 10 {
		l.append(t, "a", Event{Timestamp: int64(i), Message: big})
	}
	page, err := l.Query(t.Context(), groupF, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 3 || page.Next == nil {
		t.Errorf("%d events of 300 KiB in one page, next %v", len(page.Events), page.Next)
	}
	if got := l.all(t, Filter{}); len(got) != 10 {
		t.Errorf("%d events over all pages", len(got))
	}
	l.append(t, "b", Event{Timestamp: 1, Message: strings.Repeat("é", messageLimit)})
	if got := l.all(t, Filter{Streams: []string{"b"}}); len(got) != 1 || len(got[0]) > messageLimit {
		t.Errorf("a message above the limit came back as %d bytes", len(got[0]))
	}
}

func TestEventIDs(t *testing.T) {
	l := start(t, t.TempDir(), Options{})
	l.append(t, "a", lines(epoch.UnixMilli(), 50)...)
	page, err := l.Query(t.Context(), groupF, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, e := range page.Events {
		if len(e.ID) != 56 || e.ID <= last {
			t.Fatalf("id %q after %q", e.ID, last)
		}
		last = e.ID
	}
}

func TestGetFollowsTokens(t *testing.T) {
	l := start(t, t.TempDir(), Options{})
	get := func(w Window) (string, Slice) {
		t.Helper()
		s, err := l.Get(t.Context(), groupF, "a", w)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, e := range s.Events {
			texts = append(texts, strings.TrimPrefix(e.Message, "line "))
		}
		return strings.Join(texts, " "), s
	}
	expect := func(want string, w Window) Slice {
		t.Helper()
		got, s := get(w)
		if got != want {
			t.Errorf("%+v: got %q, want %q", w, got, want)
		}
		return s
	}
	empty := expect("", Window{})
	l.append(t, "a", lines(1, 6)...)
	expect("1 2 3 4 5 6", Window{Token: empty.Forward})

	head := expect("1 2 3 4", Window{FromHead: true, Limit: 4})
	rest := expect("5 6", Window{Token: head.Forward, Limit: 4})
	end := expect("", Window{Token: rest.Forward})
	if end.Forward != rest.Forward {
		t.Errorf("at the end the forward token changed: %q, %q", rest.Forward, end.Forward)
	}
	expect("1 2 3 4", Window{Token: rest.Backward})
	expect("5 6", Window{Token: end.Backward, Limit: 2})

	tail := expect("5 6", Window{Limit: 2})
	earlier := expect("1 2 3 4", Window{Token: tail.Backward})
	start := expect("", Window{Token: earlier.Backward})
	if start.Backward != earlier.Backward {
		t.Errorf("at the start the backward token changed: %q, %q", earlier.Backward, start.Backward)
	}
	expect("1 2", Window{Token: start.Forward, Limit: 2})

	l.append(t, "a", lines(7, 1)...)
	expect("7", Window{Token: rest.Forward})
	expect("3 4", Window{Start: 3, End: 5})
	if _, err := l.Get(t.Context(), groupF, "a", Window{Token: "x"}); err == nil {
		t.Error("a foreign token was accepted")
	}
}

func TestDeletedStreamAndGroupStartEmpty(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	l.append(t, "a", lines(0, 3)...)
	l.append(t, "b", lines(10, 1)...)
	if err := l.DeleteStream(t.Context(), groupF, "a"); err != nil {
		t.Fatal(err)
	}
	l.append(t, "a", lines(100, 1)...)
	l.stop()

	l = start(t, dir, Options{})
	if got, want := l.all(t, Filter{}), []string{"line 10", "line 100"}; !slices.Equal(got, want) {
		t.Errorf("after deleting a stream: %q, want %q", got, want)
	}
	st, err := l.Stream(groupF, "a")
	if want := (StreamStats{First: 100, Last: 100, LastIngestion: epoch.UnixMilli(), Events: 1, Bytes: 8 + 26}); err != nil || st != want {
		t.Errorf("stats %+v, want %+v, %v", st, want, err)
	}
	if err := l.DeleteGroup(t.Context(), groupF); err != nil {
		t.Fatal(err)
	}
	if got := l.all(t, Filter{}); len(got) != 0 || len(segments(t, dir)) != 0 {
		t.Errorf("after deleting the group: %q", got)
	}
	l.append(t, "a", lines(5, 1)...)
	if got := l.all(t, Filter{}); len(got) != 1 {
		t.Errorf("a new group of the old name: %q", got)
	}
}

// TestGroupBytes: a flooded group keeps its newest events within the bound, also over a restart.
func TestGroupBytes(t *testing.T) {
	const segment, bound = 2 << 10, 16 << 10
	dir := t.TempDir()
	l := start(t, dir, Options{SegmentBytes: segment, GroupBytes: bound})
	l.append(t, "deleted", lines(1, 10)...)
	if err := l.DeleteStream(t.Context(), groupF, "deleted"); err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		l.append(t, "a", lines(epoch.UnixMilli()+int64(n*10), 10)...)
	}
	check := func() {
		t.Helper()
		var size int64
		for _, name := range segments(t, dir) {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			size += info.Size()
		}
		if size > bound+segment || size < bound/2 {
			t.Errorf("%d bytes on disk, the bound is %d", size, bound)
		}
		page, err := l.Query(t.Context(), groupF, Filter{Descending: true, Limit: 1})
		if err != nil || len(page.Events) != 1 || page.Events[0].Position.Seq != 3010 {
			t.Errorf("the newest event is gone: %+v, %v", page.Events, err)
		}
	}
	check()
	l.stop()
	l = start(t, dir, Options{SegmentBytes: segment, GroupBytes: bound})
	check()
}

func TestRetention(t *testing.T) {
	dir, now := t.TempDir(), epoch
	l := start(t, dir, Options{Now: func() time.Time { return now }, SegmentBytes: 2 << 10})
	day := 24 * time.Hour
	for d := range 5 {
		l.append(t, "a", lines(epoch.Add(time.Duration(d)*day).UnixMilli(), 100)...)
	}
	before := len(segments(t, dir))
	l.SetRetention(groupF, 1)
	if got := l.all(t, Filter{}); len(got) != 500 {
		t.Errorf("%d events before any expired", len(got))
	}
	l.DeleteStream(t.Context(), groupF, "none") // also a barrier: the owner is idle while now changes
	now = epoch.Add(3*day + 12*time.Hour)
	if got := l.all(t, Filter{}); len(got) != 200 {
		t.Errorf("%d events, expired ones not hidden", len(got))
	}
	if err := l.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := len(segments(t, dir)); after >= before || after == 0 {
		t.Errorf("%d segments, were %d", after, before)
	}
	now = epoch.Add(30 * day)
	if err := l.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if files := segments(t, dir); len(files) != 1 {
		t.Errorf("%d segments of only expired events", len(files))
	}
	l.SetRetention(groupF, 0)
	l.append(t, "a", lines(1, 1)...)
	l.stop()
	l = start(t, dir, Options{})
	page, err := l.Query(t.Context(), groupF, Filter{})
	if err != nil || len(page.Events) != 1 || page.Events[0].Position.Seq != 501 {
		t.Errorf("numbers of events went back: %+v, %v", page.Events, err)
	}
}

func TestOfferDropsAndCountsWhenFull(t *testing.T) {
	l, err := Open(t.TempDir(), Options{QueueEvents: 2, QueueBytes: 1 << 10, Now: func() time.Time { return epoch }})
	if err != nil {
		t.Fatal(err)
	}
	if !l.Offer(groupF, "a", lines(0, 1)) || !l.Offer(groupF, "a", lines(1, 1)) {
		t.Error("refused with room left")
	}
	if l.Offer(groupF, "a", lines(2, 3)) {
		t.Error("taken into a full queue")
	}
	if l.Dropped() != 3 {
		t.Errorf("dropped %d", l.Dropped())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx); err != nil { // writes what was queued
		t.Fatal(err)
	}
	if got := (running{Logs: l}).all(t, Filter{}); len(got) != 2 {
		t.Errorf("kept %q", got)
	}
	if l.Offer(groupF, "a", lines(3, 1)) {
		t.Error("taken after the end")
	}
	if err := l.Append(t.Context(), groupF, "a", lines(3, 1), false); !errors.Is(err, ErrClosed) {
		t.Errorf("append after the end: %v", err)
	}
}

func TestOfferIsBoundedInBytes(t *testing.T) {
	l, err := Open(t.TempDir(), Options{QueueBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	if l.Offer(groupF, "a", []Event{{Message: strings.Repeat("x", 100)}}) || !l.Offer(groupF, "a", []Event{{Message: "x"}}) {
		t.Error("the byte bound does not hold")
	}
}

func TestManyGroupsShareFewFiles(t *testing.T) {
	l := start(t, t.TempDir(), Options{OpenFiles: 2})
	keys := make([]GroupKey, 10)
	for round := range 3 {
		for i := range keys {
			keys[i] = GroupKey{Name: string(rune('a' + i))}
			if err := l.Append(t.Context(), keys[i], "s", lines(int64(round), 1), i%2 == 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, k := range keys {
		if page, err := l.Query(t.Context(), k, Filter{}); err != nil || len(page.Events) != 3 {
			t.Errorf("%s: %d events, %v", k.Name, len(page.Events), err)
		}
	}
}

func TestRetainRemovesWhatNobodyOwns(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	kept, gone := groupF, groupF
	gone.Incarnation = 1
	for _, k := range []GroupKey{kept, gone} {
		if err := l.Append(t.Context(), k, "a", lines(0, 1), true); err != nil {
			t.Fatal(err)
		}
	}
	l.stop()
	l = start(t, dir, Options{})
	if err := l.Retain(t.Context(), []GroupKey{kept}); err != nil {
		t.Fatal(err)
	}
	if got := l.all(t, Filter{}); len(got) != 1 {
		t.Errorf("the wanted group has %q", got)
	}
	if page, err := l.Query(t.Context(), gone, Filter{}); err != nil || len(page.Events) != 0 {
		t.Errorf("the unwanted group has %v, %v", page.Events, err)
	}
}

func BenchmarkOffer(b *testing.B) {
	l := start(b, b.TempDir(), Options{Now: time.Now})
	event := []Event{{Timestamp: epoch.UnixMilli(), Message: strings.Repeat("m", 150)}}
	for b.Loop() {
		for !l.Offer(groupF, "a", event) {
			time.Sleep(50 * time.Microsecond)
		}
	}
	l.DeleteStream(b.Context(), groupF, "x") // all before it is written
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// TestBurstOverManyGroupsClosesItsFiles: a round that writes to many groups may
// open more files than the limit, which the next ones close.
func TestBurstOverManyGroupsClosesItsFiles(t *testing.T) {
	l, err := Open(t.TempDir(), Options{OpenFiles: 2})
	if err != nil {
		t.Fatal(err)
	}
	key := func(i int) GroupKey { return GroupKey{Name: fmt.Sprint("g", i)} }
	for i := range 50 {
		l.Offer(key(i), "s", []Event{{Timestamp: 1, Message: "x"}}) // before the owner runs
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	for i := range 20 {
		if err := l.Append(ctx, key(100+i), "s", []Event{{Timestamp: 1, Message: "x"}}, false); err != nil {
			t.Error(err)
		}
	}
	open := 0
	if err := l.ask(ctx, request{op: func() error { open = len(l.open.groups); return nil }}); err != nil {
		t.Error(err)
	}
	if open > 2 {
		t.Errorf("%d files are open, the limit is 2", open)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
