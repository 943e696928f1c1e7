package wire

import (
	"io"
	"runtime"
	"sync"
)

// Batch writes the frames of many goroutines to one connection. Who comes first
// lets those who are about to run add theirs, and then writes for all of them: a
// message wakes its reader, and many small ones cost more in waking it than all
// else that is done for them.
type Batch struct {
	w io.Writer

	turn  sync.Mutex // held by who writes
	spare []byte     // the other buffer; of who has the turn

	mu     sync.Mutex
	out    []byte // what is to be written,
	frames int    // so many frames
	queued int64  // bytes ever added
	sent   int64  // of these, what w has taken
	err    error  // why no more is taken
}

// Mark is where a frame ends among all bytes of a Batch; zero: it is not in it.
type Mark struct{ end int64 }

const (
	// maxBatch are the frames with which nobody waits for more: their reader could
	// have begun with the first of them meanwhile (measured: bench/README.md).
	maxBatch = 8
	// maxSpare bounds the buffer that is kept, in bytes (chosen).
	maxSpare = 64 << 10
)

// NewBatch writes to w.
func NewBatch(w io.Writer) *Batch { return &Batch{w: w} }

// Add adds a frame, which add appends to its argument. Either it is written when
// Add returns, or another goroutine is about to. With wait, who would write it
// at once waits for others that are runnable. Sent asks by mark, which may be nil.
// An error means that the connection is of no further use.
func (b *Batch) Add(wait bool, mark *Mark, add func([]byte) []byte) error {
	b.mu.Lock()
	if b.err != nil {
		defer b.mu.Unlock()
		return b.err
	}
	before := len(b.out)
	b.out = add(b.out)
	b.count(len(b.out)-before, mark)
	b.frames++
	n := b.frames
	b.mu.Unlock()
	switch {
	case n == maxBatch: // more of them would only wait for each other, and who waits here reads no answer
	case n > 1:
		return nil
	case wait:
		runtime.Gosched()
	}
	return b.flush()
}

// count counts a frame's bytes; b.mu is held.
func (b *Batch) count(bytes int, mark *Mark) {
	b.queued += int64(bytes)
	if mark != nil {
		mark.end = b.queued
	}
}

// AddLarge writes a frame whose end is long without copying that, and waits
// until it is written.
func (b *Batch) AddLarge(mark *Mark, head, rest []byte) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	if b.err != nil {
		defer b.mu.Unlock()
		return b.err
	}
	b.out = append(b.out, head...)
	b.count(len(head)+len(rest), mark)
	p := b.take()
	b.mu.Unlock()
	if err := b.writeOut(p); err != nil {
		return err
	}
	return b.write(rest)
}

// AddAnswer adds an answer, of a large body all but the end in parts before it.
func (b *Batch) AddAnswer(wait bool, call uint32, res Result, body []byte) error {
	for ; len(body) > PartSize; body = body[PartSize:] {
		if err := b.AddPart(call, body[:PartSize]); err != nil {
			return err
		}
	}
	return b.Add(wait, nil, func(out []byte) []byte { return AppendAnswer(out, call, res, body) })
}

// AddPart adds a piece of an answer's body and waits until it is written.
func (b *Batch) AddPart(call uint32, piece []byte) error {
	return b.AddLarge(nil, AppendPartHead(nil, call, len(piece)), piece)
}

// Stop makes Add fail with err from now on; what was not sent never will be. Who
// writes must be about to return, since the connection is closed.
func (b *Batch) Stop(err error) {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
}

// Sent tells whether all of a frame was sent.
func (b *Batch) Sent(mark *Mark) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return mark.end > 0 && mark.end <= b.sent
}

// flush writes what is there, unless somebody else has meanwhile.
func (b *Batch) flush() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	if len(b.out) == 0 || b.err != nil {
		defer b.mu.Unlock()
		return b.err
	}
	p := b.take()
	b.mu.Unlock()
	return b.writeOut(p)
}

// take gives what is to be written to who has the turn; b.mu is held.
func (b *Batch) take() []byte {
	p := b.out
	b.out, b.spare, b.frames = b.spare, nil, 0
	return p
}

// writeOut writes what take gave, and keeps its buffer.
func (b *Batch) writeOut(p []byte) error {
	err := b.write(p)
	if cap(p) <= maxSpare {
		b.spare = p[:0]
	}
	return err
}

// write is for who has the turn.
func (b *Batch) write(p []byte) error {
	n, err := b.w.Write(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent += int64(n)
	if b.err == nil {
		b.err = err
	}
	return b.err
}
