package telemetry

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTornTail cuts the file at every length, as a crash in the middle of a
// write would, and goes on with it.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	ends := []int{}
	for i := range 4 {
		l.append(t, "a", lines(int64(i), 1)...)
		ends = append(ends, len(readFile(t, segments(t, dir)[0])))
	}
	l.stop()
	path := segments(t, dir)[0]
	whole := readFile(t, path)
	for cut := 0; cut <= len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, end := range ends {
			if end <= cut {
				want++
			}
		}
		l := start(t, dir, Options{})
		if got := l.all(t, Filter{}); len(got) != want {
			t.Fatalf("cut at %d of %d: %q, want %d events", cut, len(whole), got, want)
		}
		l.append(t, "b", lines(100, 1)...)
		if got := l.all(t, Filter{}); len(got) != want+1 {
			t.Fatalf("cut at %d, after an append: %q", cut, got)
		}
		l.stop()
		l = start(t, dir, Options{})
		if got := l.all(t, Filter{}); len(got) != want+1 {
			t.Fatalf("cut at %d, after a restart: %q", cut, got)
		}
		l.stop()
		for _, extra := range segments(t, dir)[1:] {
			os.Remove(extra)
		}
	}
}

// TestDamageInTheMiddle flips each byte in turn: only the record hit is lost,
// it is reported, and nothing is cut off.
func TestDamageInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	l.append(t, "a", lines(0, 1)...)
	from := len(readFile(t, segments(t, dir)[0]))
	l.append(t, "a", lines(1, 1)...)
	to := len(readFile(t, segments(t, dir)[0]))
	l.append(t, "a", lines(2, 1)...)
	l.stop()
	path := segments(t, dir)[0]
	whole := readFile(t, path)
	for i := from; i < to; i++ {
		broken := bytes.Clone(whole)
		broken[i] ^= 0xff
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		l := start(t, dir, Options{})
		if got, want := l.all(t, Filter{}), []string{"line 0", "line 2"}; !slices.Equal(got, want) {
			t.Fatalf("byte %d flipped: %q", i, got)
		}
		if l.Damaged() == 0 {
			t.Fatalf("byte %d flipped: not reported", i)
		}
		l.append(t, "b", lines(9, 1)...)
		if got := readFile(t, path); !bytes.HasPrefix(got, broken) {
			t.Fatalf("byte %d flipped: the file was changed before its end", i)
		}
		l.stop()
	}
}

// TestDamageWhileRunning finds rot that came after the index was built.
func TestDamageWhileRunning(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	l.append(t, "a", lines(0, 1)...)
	l.append(t, "a", lines(1, 1)...)
	path := segments(t, dir)[0]
	data := readFile(t, path)
	at := bytes.Index(data, []byte("line 0"))
	data[at] = 'X'
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := l.all(t, Filter{}); !slices.Equal(got, []string{"line 1"}) || l.Damaged() != 1 {
		t.Errorf("got %q, damaged %d", got, l.Damaged())
	}
}

// TestForgedFrame puts a frame of another file's salt into a message and
// destroys the head before it: the search for the next frame must not take it.
func TestForgedFrame(t *testing.T) {
	forged := appendStream(beginFrame(nil), 1, "forged")
	endFrame(forged, 0, 12345)
	dir := t.TempDir()
	l := start(t, dir, Options{})
	l.append(t, "a", Event{Timestamp: 1, Message: string(forged)})
	l.append(t, "a", Event{Timestamp: 2, Message: "after"})
	l.stop()
	path := segments(t, dir)[0]
	data := readFile(t, path)
	inner := bytes.Index(data, forged)
	outer := bytes.LastIndex(data[:inner], markBytes)
	data[outer] = 0
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, Options{})
	if got := l.all(t, Filter{}); !slices.Equal(got, []string{"after"}) {
		t.Errorf("got %q", got)
	}
}

// TestFailingDisk makes one write or sync fail: who waits is told, who does not
// is counted, and the next events find a healthy file.
func TestFailingDisk(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Options{})
	l.append(t, "a", lines(0, 1)...)
	sabotage := func() { // the owner's file turns read-only
		op := func() error {
			g := l.group(groupF)
			g.file.Close()
			var err error
			g.file, err = os.Open(g.seg.path)
			return err
		}
		if err := l.ask(t.Context(), request{op: op}); err != nil {
			t.Fatal(err)
		}
	}
	sabotage()
	if err := l.Append(t.Context(), groupF, "b", lines(10, 1), true); err == nil {
		t.Error("a lost event was acknowledged")
	}
	l.append(t, "b", lines(20, 1)...)
	sabotage()
	l.Offer(groupF, "b", lines(30, 2))
	if err := l.Sweep(t.Context()); err != nil { // so that the next has a round of its own
		t.Fatal(err)
	}
	l.append(t, "b", lines(40, 1)...)
	want := []string{"line 0", "line 20", "line 40"}
	if got := l.all(t, Filter{}); !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
	if l.Dropped() != 2 {
		t.Errorf("dropped %d, want 2", l.Dropped())
	}
	l.stop()
	if got := start(t, dir, Options{}).all(t, Filter{}); !slices.Equal(got, want) {
		t.Errorf("after a restart %q, want %q", got, want)
	}
}

func TestLeftoverDeletionIsFinished(t *testing.T) {
	dir := t.TempDir()
	left := dir + "/abc.x" + deletedSuffix
	if err := os.MkdirAll(left+"/sub", 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, dir, Options{})
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func FuzzScan(f *testing.F) {
	const salt = 7
	good := appendStream(beginFrame(nil), 1, "a")
	endFrame(good, 0, salt)
	start := len(good)
	good = appendEvents(beginFrame(good), 1, 1, 1, []Event{{Timestamp: 1, Message: "hello"}, {Timestamp: -3, Message: ""}})
	endFrame(good, start, salt)
	f.Add(good)
	f.Add(append(slices.Clone(good[:20]), good...))
	f.Add(binary.BigEndian.AppendUint32(markBytes, 1<<30))
	f.Add([]byte(strings.Repeat(string(markBytes), 9)))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := 0
		end, gaps := scan(data, salt, func(at, end int, payload []byte) error {
			if at < last || end <= at || end > len(data) {
				t.Fatalf("frame %d-%d after %d of %d", at, end, last, len(data))
			}
			last = end
			_, err := noteOf(int64(at), int64(end), payload)
			return err
		})
		for _, g := range gaps {
			if g.end <= g.at || g.end > end {
				t.Fatalf("gap %v, end %d", g, end)
			}
		}
	})
}
