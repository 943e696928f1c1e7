package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFlushHandsOverWhatWasWritten: a line is in the log when Flush returns,
// however late the reader would have been.
func TestFlushHandsOverWhatWasWritten(t *testing.T) {
	var mu sync.Mutex
	var got []string
	o, err := OpenOutput(func(_ Stream, line []byte) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(line))
	})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := o.Ends()
	want := 0
	for i := range 2000 {
		w := stdout
		if i%3 == 0 {
			w = stderr
		}
		fmt.Fprintf(w, "%d %s\nbegun", i, strings.Repeat("x", i))
		want++
		o.Flush()
		mu.Lock()
		if len(got) != want || !strings.Contains(got[len(got)-1], fmt.Sprintf("%d ", i)) {
			t.Fatalf("after %d lines the log has %d", want, len(got))
		}
		mu.Unlock()
	}
	o.CloseEnds()
	o.Flush()
	o.Drain(time.Minute)
	if n := len(got); n != want+2 || !slices.Equal(got[n-2:], []string{"begun", "begun"}) {
		t.Errorf("%d lines, %q", n, got[n-2:])
	}
	o.Flush() // of a process that is gone
}

func TestDrainDoesNotWaitForAWriterThatStays(t *testing.T) {
	lines := make(chan string, 4)
	o, err := OpenOutput(func(_ Stream, line []byte) { lines <- string(line) })
	if err != nil {
		t.Fatal(err)
	}
	stdout, _ := o.Ends()
	fmt.Fprint(stdout, "left")
	o.Drain(10 * time.Millisecond)
	if got := <-lines; got != "left" {
		t.Errorf("%q", got)
	}
	o.CloseEnds()
}
