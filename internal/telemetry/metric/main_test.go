package metric

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	scope = lamina.Scope{Account: "000000000000", Region: "eu-west-1"}
	noon  = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
)

// open opens a folder and owns it until the test's end, or until close is called.
func open(t *testing.T, dir string, o Options) (db *DB, end func()) {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	o.Logger = slog.New(slog.DiscardHandler)
	db, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	running := true
	end = func() {
		if !running {
			return
		}
		running = false
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return db, end
}

func sample(name string, at time.Time, values ...float64) Sample {
	s := Sample{ID: NewID(scope, "N", name, Dimension{"b", "2"}, Dimension{"a", "1"}), Unit: "Count", Time: at, Resolution: 60}
	for _, v := range values {
		s.Stat.Add(v, 1)
	}
	return s
}

func ask(db *DB, name string, from, to time.Time, period time.Duration) []Point {
	all := db.Query(Query{ID: NewID(scope, "N", name, Dimension{"a", "1"}, Dimension{"b", "2"}), From: from, To: to, Period: period})
	if len(all) == 0 {
		return nil
	}
	return all[0].Points
}

func hour(db *DB, name string) Stat {
	points := ask(db, name, noon.Add(-time.Hour), noon.Add(time.Hour), 2*time.Hour)
	if len(points) == 0 {
		return Stat{}
	}
	return points[0].Stat
}
