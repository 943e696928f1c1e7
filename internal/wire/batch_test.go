package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
)

// writes keeps what is written and takes limit bytes at most.
type writes struct {
	mu    sync.Mutex
	all   bytes.Buffer
	times int
	limit int
	hold  chan struct{} // each write waits for it; nil: none does
}

func (w *writes) Write(p []byte) (int, error) {
	if w.hold != nil {
		<-w.hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times++
	if left := w.limit - w.all.Len(); len(p) > left {
		w.all.Write(p[:left])
		return left, io.ErrShortWrite
	}
	return w.all.Write(p)
}

func add(b *Batch, wait bool, mark *Mark, n uint32, body string) error {
	return b.Add(wait, mark, func(out []byte) []byte { return AppendAnswer(out, n, Result{}, []byte(body)) })
}

// Frames that come while others are written go out together, at most so many.
func TestBatchWritesTogether(t *testing.T) {
	w := &writes{limit: 1 << 30, hold: make(chan struct{})}
	b := NewBatch(w)
	var wg sync.WaitGroup
	start := func(from, to uint32) {
		for i := from; i < to; i++ {
			wg.Go(func() {
				if err := add(b, false, nil, i, "body"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	queued := func(want int) {
		for n := -1; n != want; runtime.Gosched() {
			b.mu.Lock()
			n = b.frames
			b.mu.Unlock()
		}
	}
	start(0, 1)
	w.hold <- struct{}{} // the first is written alone
	wg.Wait()
	start(1, 2)
	for b.turn.TryLock() { // until the second is being written
		b.turn.Unlock()
	}
	queued(0)
	start(2, 7)
	queued(5)
	w.hold <- struct{}{}
	w.hold <- struct{}{}
	wg.Wait()
	if w.times != 3 {
		t.Errorf("%d writes", w.times)
	}
	seen := map[uint32]bool{}
	for frames := NewFrames(&w.all, 4<<10, 1<<20); ; {
		f, err := frames.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[f.Call] = true
	}
	if len(seen) != 7 {
		t.Errorf("%v", seen)
	}
}

// A write that breaks off tells which frames went out whole.
func TestBatchTellsWhatWasSent(t *testing.T) {
	frame := len(AppendAnswer(nil, 1, Result{}, []byte("0123456789")))
	w := &writes{limit: 2*frame + frame/2}
	b := NewBatch(w)
	var marks [5]Mark
	for i := range marks {
		if err := add(b, false, &marks[i], uint32(i), "0123456789"); (err == nil) != (i < 2) {
			t.Errorf("frame %d: %v", i, err)
		}
	}
	for i := range marks {
		if b.Sent(&marks[i]) != (i < 2) {
			t.Errorf("frame %d sent: %v", i, b.Sent(&marks[i]))
		}
	}
	w = &writes{limit: frame + 20}
	b = NewBatch(w)
	var first, large Mark
	if err := add(b, true, &first, 1, "0123456789"); err != nil {
		t.Error(err)
	}
	rest := make([]byte, 100)
	if err := b.AddLarge(&large, AppendPartHead(nil, 2, len(rest)), rest); !errors.Is(err, io.ErrShortWrite) || b.Sent(&large) || !b.Sent(&first) {
		t.Errorf("%v; sent: %v and %v", err, b.Sent(&first), b.Sent(&large))
	}
	b = NewBatch(&writes{limit: 1 << 30})
	b.Stop(io.ErrClosedPipe)
	if err := add(b, false, &first, 1, ""); err != io.ErrClosedPipe {
		t.Errorf("after Stop: %v", err)
	}
}

// Large and small frames of many goroutines stay whole.
func TestBatchKeepsFramesWhole(t *testing.T) {
	r, w := io.Pipe()
	b := NewBatch(w)
	var wg sync.WaitGroup
	for i := range uint32(64) {
		wg.Go(func() {
			for range 50 {
				var err error
				if i%4 == 0 {
					body := bytes.Repeat([]byte{byte(i)}, 1000+int(i))
					err = b.AddLarge(nil, AppendPartHead(nil, i, len(body)), body)
				} else {
					err = add(b, i%2 == 0, nil, i, string(bytes.Repeat([]byte{byte(i)}, int(i))))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { wg.Wait(); w.Close() }() // ends with the writers
	n := 0
	for frames := NewFrames(r, 512, 1<<20); ; n++ {
		f, err := frames.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body := f.Part()
		if f.Kind == KindAnswer {
			_, body, err = f.Answer()
		}
		if err != nil || len(bytes.Trim(body, string(rune(f.Call)))) != 0 && f.Call < 128 {
			t.Fatalf("%d: %x, %v", f.Call, body, err)
		}
	}
	if n != 64*50 {
		t.Errorf("%d frames", n)
	}
}
