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
	buf := make([]byte, 4<<10)
	have := 0
	for {
		n, err := r.Read(buf[have:])
		have = cutLines(buf, have, have+n, emit)
		if err != nil {
			if have > 0 {
				emit(buf[:have])
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		switch {
		case have < len(buf):
		case len(buf) < MaxLine:
			buf = append(buf, make([]byte, len(buf))...)
		default:
			emit(buf)
			have = 0
		}
	}
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
