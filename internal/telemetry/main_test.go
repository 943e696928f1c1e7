package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	epoch  = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	groupF = GroupKey{Scope: lamina.Scope{Account: "000000000000", Region: "us-east-1"}, Name: "/aws/lambda/f"}
)

// running is a Logs with its owner, ended with the test or by stop.
type running struct {
	*Logs
	stop func()
}

func start(t testing.TB, dir string, opts Options) running {
	t.Helper()
	if opts.Now == nil {
		opts.Now = func() time.Time { return epoch }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return running{l, stop}
}

// lines makes n events, one millisecond apart.
func lines(from int64, n int) []Event {
	events := make([]Event, n)
	for i := range events {
		events[i] = Event{Timestamp: from + int64(i), Message: fmt.Sprintf("line %d", from+int64(i))}
	}
	return events
}

func (l running) append(t testing.TB, stream string, events ...Event) {
	t.Helper()
	if err := l.Append(t.Context(), groupF, stream, events, true); err != nil {
		t.Fatal(err)
	}
}

func (l running) all(t testing.TB, f Filter) []string {
	t.Helper()
	var got []string
	for {
		page, err := l.Query(t.Context(), groupF, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got = append(got, e.Message)
		}
		if page.Next == nil {
			return got
		}
		f.After = page.Next
	}
}

func messages(events []Event) []string {
	var m []string
	for _, e := range events {
		m = append(m, e.Message)
	}
	return m
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, groupF.folder(), "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
