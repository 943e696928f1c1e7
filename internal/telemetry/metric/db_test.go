package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestPutIsReadableInItsPeriods(t *testing.T) {
	db, _ := open(t, t.TempDir(), Options{})
	for i := range 10 {
		if err := db.Put(t.Context(), []Sample{sample("m", noon.Add(-time.Duration(i)*time.Minute), float64(i), 10)}); err != nil {
			t.Fatal(err)
		}
	}
	points := ask(db, "m", noon.Add(-9*time.Minute), noon.Add(time.Minute), 5*time.Minute)
	if len(points) != 2 || points[0].Stat.Sum != 9+8+7+6+5+50 || points[1].Stat.Sum != 4+3+2+1+0+50 || !points[1].Time.Equal(noon.Add(-4*time.Minute)) {
		t.Errorf("got %+v", points)
	}
	if got := ask(db, "m", noon.Add(-3*time.Minute), noon, time.Minute); len(got) != 3 || got[0].Stat.Min != 3 || got[0].Stat.Max != 10 || got[0].Stat.Count != 2 {
		t.Errorf("got %+v", got)
	}
	if ask(db, "other", noon.Add(-time.Hour), noon, time.Minute) != nil {
		t.Error("another metric has data")
	}
	if list := db.List(scope); len(list) != 1 || list[0].ID.Name != "m" || list[0].ID.Dimensions[0] != (Dimension{"a", "1"}) || !list[0].Last.Equal(noon) {
		t.Errorf("listed %+v", list)
	}
}

// copyOf is what a killed process leaves: the files as they are.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestWhatWasAcknowledgedComesBackAfterAKill(t *testing.T) {
	dir := t.TempDir()
	db, _ := open(t, dir, Options{FileBytes: 1}) // written anew at nearly each round
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := db.Put(t.Context(), []Sample{sample("m", noon, 1), sample(fmt.Sprint("m", i%7), noon, 2)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	again, _ := open(t, copyOf(t, dir), Options{})
	if got := hour(again, "m"); got.Sum != 50 || got.Count != 50 {
		t.Errorf("got %+v", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
}

func TestRecordedComesBackAfterAStopAndIsNeverCountedTwice(t *testing.T) {
	dir := t.TempDir()
	want := 0.0
	for round := range 5 {
		db, end := open(t, dir, Options{FileBytes: 1, FlushEvery: time.Millisecond})
		for range 200 {
			db.Record([]Sample{sample("m", noon, 1)})
			want++
			if want == float64(round*200+100) {
				if err := db.Put(t.Context(), []Sample{sample("m", noon, 1)}); err != nil {
					t.Fatal(err)
				}
				want++
			}
		}
		if got := hour(db, "m"); got.Sum != want {
			t.Fatalf("round %d: %v are readable, want %v", round, got.Sum, want)
		}
		end()
	}
	db, _ := open(t, dir, Options{})
	if got := hour(db, "m"); got.Sum != want || got.Count != want {
		t.Errorf("got %+v, want %v", got, want)
	}
}

// threeFrames makes a file of three samples, and gives what it holds.
func threeFrames(t *testing.T) (path string, whole []byte) {
	t.Helper()
	dir := t.TempDir()
	db, end := open(t, dir, Options{})
	for range 3 {
		if err := db.Put(t.Context(), []Sample{sample("m", noon, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	end()
	path = filepath.Join(dir, "0000000000000001.metrics")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, whole
}

func TestATornEndCostsNothingThatWasAcknowledged(t *testing.T) {
	path, whole := threeFrames(t)
	last := (len(whole) - len(magic)) / 3
	for cut := 1; cut <= last; cut++ {
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, filepath.Base(path)), whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		db, end := open(t, torn, Options{})
		if got := hour(db, "m"); got.Sum != 2 {
			t.Fatalf("%d bytes cut: %v", cut, got.Sum)
		}
		if err := db.Put(t.Context(), []Sample{sample("m", noon, 5)}); err != nil {
			t.Fatal(err)
		}
		end()
		db, end = open(t, torn, Options{})
		if got := hour(db, "m"); got.Sum != 7 {
			t.Fatalf("%d bytes cut, then put: %v", cut, got.Sum)
		}
		end()
	}
}

func TestADamagedFileIsKept(t *testing.T) {
	path, whole := threeFrames(t)
	whole[len(whole)/2] ^= 1 // in the second frame of three
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	db, _ := open(t, filepath.Dir(path), Options{})
	if got := hour(db, "m"); got.Sum != 1 {
		t.Errorf("got %+v", got)
	}
	if _, err := os.Stat(path + damagedSuffix); err != nil {
		t.Error(err)
	}
}

func TestAFailedWriteIsNotAcknowledgedAndTheNextWorks(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	db.file.Close() // as a full disk would, every write fails
	put := func() error {
		r := request{samples: []Sample{sample("m", noon, 1)}, reply: make(chan error, 1)}
		db.round(r)
		return <-r.reply
	}
	if put() == nil {
		t.Fatal("acknowledged")
	}
	db.Record([]Sample{sample("m", noon, 1)})
	if got := hour(db, "m"); got.Sum != 1 {
		t.Errorf("what was refused is readable: %v", got.Sum)
	}
	if err := errors.Join(put(), db.finish()); err != nil {
		t.Fatal(err)
	}
	again, _ := open(t, dir, Options{})
	if got := hour(again, "m"); got.Sum != 2 {
		t.Errorf("got %v", got.Sum)
	}
}

func TestOldDataBecomeCoarseAndGo(t *testing.T) {
	now := noon
	var mu sync.Mutex
	db, _ := open(t, t.TempDir(), Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	fine := sample("m", noon, 1)
	fine.Resolution = 1
	own := sample("own", noon.Add(10*time.Second), 1)
	own.Resolution = 10
	db.Record([]Sample{fine, own, sample("m", noon.Add(time.Minute), 2)})
	width := func(name string) (all []int64) {
		for _, b := range db.all[NewID(scope, "N", name, Dimension{"a", "1"}, Dimension{"b", "2"}).Key()].units[0].buckets {
			all = append(all, b.width)
		}
		return all
	}
	for _, step := range []struct {
		after  time.Duration
		m, own string
	}{
		{0, "[1 60]", "[10]"},
		{16 * time.Minute, "[1 60]", "[60]"},
		{4 * time.Hour, "[60 60]", "[60]"},
		{16 * 24 * time.Hour, "[300]", "[300]"},
		{64 * 24 * time.Hour, "[3600]", "[3600]"},
	} {
		mu.Lock()
		now = noon.Add(step.after)
		mu.Unlock()
		db.age()
		if m, own := fmt.Sprint(width("m")), fmt.Sprint(width("own")); m != step.m || own != step.own {
			t.Errorf("after %v: %s %s, want %s %s", step.after, m, own, step.m, step.own)
		}
		if got := hour(db, "m"); got.Sum != 3 || got.Count != 2 {
			t.Errorf("after %v: %+v", step.after, got)
		}
	}
	mu.Lock()
	now = noon.Add(456 * 24 * time.Hour)
	mu.Unlock()
	db.age()
	if len(db.List(scope)) != 0 || db.buckets != 0 {
		t.Errorf("%d buckets are left", db.buckets)
	}
}

func TestTheOldestGoWhereThereIsTooMuch(t *testing.T) {
	db, _ := open(t, t.TempDir(), Options{Buckets: 100})
	for i := range 150 {
		db.Record([]Sample{sample("m", noon.Add(-time.Duration(i)*time.Minute), 1)})
	}
	db.age()
	if points := ask(db, "m", noon.Add(-24*time.Hour), noon.Add(time.Hour), time.Minute); len(points) != 90 || !points[89].Time.Equal(noon) || db.buckets != 90 {
		t.Errorf("%d points, %d buckets", len(points), db.buckets)
	}
}

func TestNoMoreMetricsThanAllowed(t *testing.T) {
	db, end := open(t, t.TempDir(), Options{Metrics: 2})
	for _, name := range []string{"a", "b", "a"} {
		if err := db.Put(t.Context(), []Sample{sample(name, noon, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Put(t.Context(), []Sample{sample("c", noon, 1)}); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	db.Record([]Sample{sample("d", noon, 1), sample("a", noon, 1)})
	if got := hour(db, "a"); len(db.List(scope)) != 2 || got.Sum != 3 {
		t.Errorf("%d metrics, %v", len(db.List(scope)), got.Sum)
	}
	end()
	if err := db.Put(context.Background(), []Sample{sample("a", noon, 1)}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestPercentilesAreNearTheTruth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 10_000)
	var whole Stat
	var parts [3]Stat
	for i := range values {
		values[i] = math.Exp(rnd.NormFloat64()) * 100
		whole.Add(values[i], 1)
		parts[i%3].Add(values[i], 1)
	}
	var merged Stat
	for _, p := range parts {
		merged.Merge(p)
	}
	sorted := append([]float64(nil), values...)
	slices.Sort(sorted)
	for _, p := range []float64{1, 50, 90, 99, 99.9, 100} {
		want := sorted[max(0, int(math.Ceil(p/100*float64(len(sorted))))-1)]
		for _, s := range []Stat{whole, merged} {
			if got, ok := s.Percentile(p); !ok || math.Abs(got-want) > 0.011*want {
				t.Errorf("p%v: got %v, want %v", p, got, want)
			}
		}
	}
	if merged.Count != whole.Count || math.Abs(merged.Sum-whole.Sum) > 1e-6*whole.Sum {
		t.Errorf("merged %+v", merged)
	}
}

func TestSetsAndNegativesHaveNoPercentiles(t *testing.T) {
	negative := Of(-1)
	for name, test := range map[string]struct {
		s    Stat
		want bool
	}{"set": {Set(3, 6, 1, 3), false}, "set of one": {Set(1, 5, 5, 5), true}, "equal set": {Set(4, 8, 2, 2), true}, "negative": {negative, false}, "none": {Stat{}, false}} {
		if _, ok := test.s.Percentile(50); ok != test.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
	s := Of(1)
	s.Merge(Set(3, 6, 1, 3))
	if _, ok := s.Percentile(50); ok || s.Count != 4 || s.Sum != 7 || s.Max != 3 {
		t.Errorf("merged: %+v", s)
	}
}

func TestRecorderLosesNothing(t *testing.T) {
	var r Recorder
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				r.Add(float64(i))
			}
		})
	}
	var sum Stat
	for range 100 {
		sum.Merge(r.Take())
	}
	wg.Wait()
	sum.Merge(r.Take())
	if sum.Count != 8000 || sum.Sum != 8*999*500 || sum.Max != 999 {
		t.Errorf("got %+v", sum)
	}
}

// FuzzFile wants any bytes to be read without harm, and what was read to be
// written and read the same again.
func FuzzFile(f *testing.F) {
	good := table{}
	good.add([]Sample{sample("m", noon, 1, 2, 3), {ID: NewID(scope, "N", "set"), Time: noon, Resolution: 60, Stat: Set(2, 3, 1, 2)}}, noon)
	f.Add(good.encode(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, append([]byte(magic), data...), 0o600); err != nil {
			t.Fatal(err)
		}
		read := table{}
		if size, err := read.readFile(path); size > int64(len(magic)+len(data)) || err != nil && !errors.Is(err, errDamaged) {
			t.Fatal(size, err)
		}
		payload := table{}
		if !payload.decode(data) {
			return
		}
		again := table{}
		if err := os.WriteFile(path, payload.encode([]byte(magic)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := again.readFile(path); err != nil {
			t.Fatal(err)
		}
		for key, m := range payload {
			for _, s := range m.units {
				if n := len(s.buckets); n > 0 && n != len(again.series(key, m.id, s.unit).buckets) {
					t.Fatalf("%d buckets became fewer", n)
				}
			}
		}
	})
}
