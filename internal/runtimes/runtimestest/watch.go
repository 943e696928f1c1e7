package runtimestest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/check/watch"
)

// Record is a line that a bootstrap's watch writes for `lamina check`.
type Record struct {
	T                           int64
	PID                         int
	RequestID, Kind, Name, File string
	Line                        int
	Detail                      map[string]any
}

func (r Record) String() string {
	return fmt.Sprintf("%s %s %s:%d %v", r.Kind, r.Name, r.File, r.Line, r.Detail)
}

// Watch is the engine's end of the watch's pipe.
type Watch struct {
	t    testing.TB
	more *sync.Cond
	rest []byte // of a line; the pipe's goroutine's

	mu      sync.Mutex
	records []Record
}

// pipe is the watch's, in the runtime's folder.
const pipe = "watch.fifo"

func listen(t testing.TB, path string) *Watch {
	t.Helper()
	w := &Watch{t: t}
	w.more = sync.NewCond(&w.mu)
	p, err := watch.Listen(path, w.took)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return w
}

func (w *Watch) took(data []byte) {
	lines := bytes.SplitAfter(append(w.rest, data...), []byte("\n"))
	last := len(lines) - 1
	for _, line := range lines[:last] {
		w.add(line)
	}
	w.rest = lines[last]
}

func (w *Watch) add(line []byte) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil || len(line) > 4096 {
		w.t.Errorf("%d bytes: %s: %v", len(line), line, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, r)
	w.more.Broadcast()
}

// Until gives all records up to the first that is as wanted.
func (w *Watch) Until(want func(Record) bool) []Record {
	w.t.Helper()
	late := false
	timer := time.AfterFunc(wait, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = true
		w.more.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if i := slices.IndexFunc(w.records, want); i >= 0 {
			return slices.Clone(w.records[:i+1])
		}
		if late {
			w.t.Fatalf("not reported; only %v", w.records)
		}
		w.more.Wait()
	}
}

// During gives what was reported of a request between its start and its end.
func (w *Watch) During(id string) (found []Record) {
	w.t.Helper()
	for _, r := range w.Until(func(r Record) bool { return r.RequestID == id && r.Kind == "end" }) {
		if r.RequestID == id && r.Kind != "start" && r.Kind != "end" && r.Kind != "pause" {
			found = append(found, r)
		}
	}
	return found
}

// WantRecords compares records with what is wanted of each: how its text begins, its line (0: any), and
// after " | " what it also contains.
func WantRecords(t testing.TB, got []Record, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("reported %v, want %q", got, want)
	}
	for _, w := range want {
		parts := strings.Split(w, " | ")
		if !slices.ContainsFunc(got, func(r Record) bool { return fits(r, parts) }) {
			t.Errorf("no %s among %v", w, got)
		}
	}
}

func fits(r Record, parts []string) bool {
	head, line := cutLast(parts[0])
	text := r.String()
	if !strings.HasPrefix(text, head) || line != "0" && line != fmt.Sprint(r.Line) {
		return false
	}
	for _, p := range parts[1:] {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

func cutLast(s string) (before, after string) {
	i := strings.LastIndex(s, " ")
	return s[:i], s[i+1:]
}
