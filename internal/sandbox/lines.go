package sandbox

import (
	"bytes"
	"errors"
	"io"
)

// ReadLines hands each line of r to emit, without its newline, until r ends. A
// line over MaxLine comes in pieces, and what a dying writer left without a
// newline comes as a line of its own. The slice is reused after the call.
func ReadLines(r io.Reader, emit func(line []byte)) error {
	l := newLines()
	for {
		n, err := r.Read(l.room())
		l.took(n, emit)
		if err != nil {
			l.end(emit)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// lines cuts a stream into lines.
type lines struct {
	buf  []byte
	have int // bytes of a line that has no end yet
}

func newLines() *lines { return &lines{buf: make([]byte, 4<<10)} }

// room is where the next bytes go.
func (l *lines) room() []byte { return l.buf[l.have:] }

// took emits what n more bytes complete.
func (l *lines) took(n int, emit func([]byte)) {
	l.have = cutLines(l.buf, l.have, l.have+n, emit)
	switch {
	case l.have < len(l.buf):
	case len(l.buf) < MaxLine:
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	default:
		emit(l.buf)
		l.have = 0
	}
}

// end emits what is left.
func (l *lines) end(emit func([]byte)) {
	if l.have > 0 {
		emit(l.buf[:l.have])
	}
	l.have = 0
}

// cutLines emits the whole lines of buf[:end], of which nothing before from
// has a newline, moves the rest to the front and tells its length.
func cutLines(buf []byte, from, end int, emit func([]byte)) int {
	start := 0
	for {
		i := bytes.IndexByte(buf[from:end], '\n')
		if i < 0 {
			return copy(buf, buf[start:end])
		}
		emit(buf[start : from+i])
		start = from + i + 1
		from = start
	}
}
