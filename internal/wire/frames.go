package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Frame is one message on an invoke connection. Many invocations share such a
// connection; a number that the router gives each tells whose a frame is.
type Frame struct {
	Call uint32
	Kind Kind // KindInvoke, KindAnswer or KindPart

	data []byte
	own  bool // data stays valid after the next frame is read
}

// frameHead are the bytes before a frame's data: the length of all after it, the
// invocation's number, the kind.
const frameHead = 4 + 4 + 1

func appendHead(b []byte, size int, call uint32, kind Kind) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(size-4))
	return append(binary.BigEndian.AppendUint32(b, call), byte(kind))
}

// keep gives a part of the data that stays valid.
func (f Frame) keep(p []byte) []byte {
	if f.own {
		return p
	}
	return append(make([]byte, 0, len(p)), p...)
}

// Frames reads the frames of an invoke connection. After a read that came to its
// deadline, Next goes on where it was.
type Frames struct {
	r     *bufio.Reader
	limit int

	large []byte // a frame that the buffer does not hold, on its way,
	got   int    // of which so much is there
}

// NewFrames reads from r. A frame of more than limit bytes is an error; those
// that fit into buffer bytes are read without being copied.
func NewFrames(r io.Reader, buffer, limit int) *Frames {
	return &Frames{r: bufio.NewReaderSize(r, buffer), limit: limit}
}

// Next reads a frame. At the end of the connection the error is io.EOF, within
// a frame io.ErrUnexpectedEOF.
func (f *Frames) Next() (Frame, error) {
	if f.large != nil {
		return f.rest()
	}
	head, err := f.r.Peek(4)
	if err != nil {
		return Frame{}, within(len(head), err)
	}
	size := int64(binary.BigEndian.Uint32(head))
	switch {
	case size < frameHead-4:
		return Frame{}, fmt.Errorf("frame of %d bytes", size)
	case size > int64(f.limit):
		return Frame{}, fmt.Errorf("frame of %d bytes, the limit is %d", size, f.limit)
	case int(size)+4 > f.r.Size():
		f.large, f.got = make([]byte, size), 0
		_, _ = f.r.Discard(4)
		return f.rest()
	}
	whole, err := f.r.Peek(int(size) + 4)
	if err != nil {
		return Frame{}, within(len(whole), err)
	}
	_, _ = f.r.Discard(len(whole))
	return frame(whole[4:], false), nil
}

// rest reads what is missing of a large frame.
func (f *Frames) rest() (Frame, error) {
	for f.got < len(f.large) {
		n, err := f.r.Read(f.large[f.got:])
		f.got += n
		if err != nil {
			return Frame{}, within(1, err)
		}
	}
	b := f.large
	f.large = nil
	return frame(b, true), nil
}

func frame(b []byte, own bool) Frame {
	return Frame{Call: binary.BigEndian.Uint32(b), Kind: Kind(b[4]), data: slices.Clip(b[5:]), own: own}
}

// within makes the end of a connection unexpected once something of a frame was read.
func within(read int, err error) error {
	if read > 0 && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
