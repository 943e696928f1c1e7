package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Invoke is one invocation on its way to an environment.
type Invoke struct {
	EnvironmentID string
	RequestID     string
	FunctionARN   string // as invoked, with its qualifier
	TraceID       string
	ClientContext string // JSON, already decoded from base64
	TenantID      string
	ContentType   string
	Timeout       time.Duration // the deadline is the agent's arrival time plus this; clocks are never compared
	Tail          bool          // the answer shall carry the end of the invocation's log
	Stream        bool          // the answer may be OutcomeStream
	Body          []byte
}

// Outcome says how an invocation ended, in one byte.
type Outcome byte

// Outcomes. Refused means nothing was handed to a runtime: another environment may be tried.
const (
	OutcomeOK            Outcome = iota + 1 // the runtime's response
	OutcomeFunctionError                    // the runtime's error, a time-out, or its death: X-Amz-Function-Error
	OutcomeBusy                             // refused: every slot is taken
	OutcomeGone                             // refused: no such environment, or it takes nothing new
	OutcomeStream                           // the response follows as it comes, and after it a second answer: how it ended, its body the error
)

// Refused says whether the invocation reached no runtime.
func (o Outcome) Refused() bool { return o == OutcomeBusy || o == OutcomeGone }

// Result precedes the response body, which follows in chunks.
type Result struct {
	Outcome     Outcome
	ErrorType   string // e.g. Sandbox.Timedout; empty on OutcomeOK
	ContentType string
	LogTail     string // when it was asked for: the last 4 KiB of the invocation's log
	Process     int    // process id that answered, when the runtime told it
}

const (
	maxField     = 64 << 10
	chunkEnd     = 0
	chunkAborted = 0xffffffff
)

// ErrAborted is read from a body whose sender failed in the middle of it.
var ErrAborted = errors.New("response body was cut short by the environment")

// WriteInvoke sends one invocation and flushes.
func WriteInvoke(w *bufio.Writer, in *Invoke) error {
	for _, s := range in.fields() {
		if err := writeString(w, *s); err != nil {
			return err
		}
	}
	for _, n := range [4]uint32{uint32(uint64(in.Timeout) >> 32), uint32(in.Timeout), in.flags(), uint32(len(in.Body))} {
		if err := writeNumber(w, n); err != nil {
			return err
		}
	}
	if _, err := w.Write(in.Body); err != nil {
		return err
	}
	return w.Flush()
}

// ReadInvoke receives one invocation; a body over limit bytes is an error. At
// the end of the connection the error is io.EOF.
func ReadInvoke(r *bufio.Reader, limit int) (*Invoke, error) {
	in := new(Invoke)
	for i, s := range in.fields() {
		v, err := readString(r)
		if err != nil {
			if i == 0 && errors.Is(err, io.EOF) {
				return nil, io.EOF
			}
			return nil, fmt.Errorf("read invocation: %w", err)
		}
		*s = v
	}
	var n [4]uint32 // the timeout's halves, flags and the body's length
	for i := range n {
		v, err := readNumber(r)
		if err != nil {
			return nil, fmt.Errorf("read invocation: %w", unexpected(err))
		}
		n[i] = v
	}
	in.Timeout, in.Tail, in.Stream = time.Duration(uint64(n[0])<<32|uint64(n[1])), n[2]&flagTail != 0, n[2]&flagStream != 0
	if unknown := n[2] &^ (flagTail | flagStream); unknown != 0 {
		return nil, fmt.Errorf("invocation with unknown flags %x", unknown)
	}
	size := n[3]
	if int64(size) > int64(limit) {
		return nil, fmt.Errorf("invocation body of %d bytes, the limit is %d", size, limit)
	}
	in.Body = make([]byte, size)
	if _, err := io.ReadFull(r, in.Body); err != nil {
		return nil, fmt.Errorf("read invocation body: %w", err)
	}
	return in, nil
}

// The flags are Invoke.Tail and Invoke.Stream on the wire.
const (
	flagTail = 1 << iota
	flagStream
)

func (in *Invoke) flags() (f uint32) {
	if in.Tail {
		f |= flagTail
	}
	if in.Stream {
		f |= flagStream
	}
	return f
}

func (in *Invoke) fields() [7]*string {
	return [7]*string{&in.EnvironmentID, &in.RequestID, &in.FunctionARN, &in.TraceID, &in.ClientContext, &in.TenantID, &in.ContentType}
}

// WriteResult sends the head of an answer without flushing; WriteChunk and EndBody follow.
func WriteResult(w *bufio.Writer, res Result) error {
	if err := w.WriteByte(byte(res.Outcome)); err != nil {
		return err
	}
	if err := writeString(w, res.ErrorType); err != nil {
		return err
	}
	if err := writeString(w, res.ContentType); err != nil {
		return err
	}
	if err := writeString(w, res.LogTail); err != nil {
		return err
	}
	return writeNumber(w, uint32(res.Process))
}

// WriteChunk sends a piece of the body; empty pieces are skipped.
func WriteChunk(w *bufio.Writer, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := writeNumber(w, uint32(len(p))); err != nil {
		return err
	}
	_, err := w.Write(p)
	return err
}

// EndBody ends the body, as aborted when it is incomplete, and flushes.
func EndBody(w *bufio.Writer, aborted bool) error {
	mark := uint32(chunkEnd)
	if aborted {
		mark = chunkAborted
	}
	if err := writeNumber(w, mark); err != nil {
		return err
	}
	return w.Flush()
}

// ReadResult receives the head of an answer; the body must then be read to its end through a Body.
func ReadResult(r *bufio.Reader) (Result, error) {
	var res Result
	b, err := r.ReadByte()
	if err != nil {
		return res, fmt.Errorf("read answer: %w", err)
	}
	res.Outcome = Outcome(b)
	if res.ErrorType, err = readString(r); err != nil {
		return res, fmt.Errorf("read answer: %w", err)
	}
	if res.ContentType, err = readString(r); err != nil {
		return res, fmt.Errorf("read answer: %w", err)
	}
	if res.LogTail, err = readString(r); err != nil {
		return res, fmt.Errorf("read answer: %w", err)
	}
	process, err := readNumber(r)
	if err != nil {
		return res, fmt.Errorf("read answer: %w", unexpected(err))
	}
	res.Process = int(process)
	return res, nil
}

// Body reads the chunks of one answer. After io.EOF the connection is free for
// the next invocation; after any other error it must be closed.
type Body struct {
	r    *bufio.Reader
	left uint32
	err  error
}

// NewBody starts after ReadResult.
func NewBody(r *bufio.Reader) *Body { return &Body{r: r} }

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		if b.err = b.nextChunk(); b.err != nil {
			return 0, b.err
		}
	}
	if uint32(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= uint32(n)
	if err != nil {
		b.err = fmt.Errorf("read answer body: %w", unexpected(err))
	}
	return n, b.err
}

func (b *Body) nextChunk() error {
	size, err := readNumber(b.r)
	if err != nil {
		return fmt.Errorf("read answer body: %w", unexpected(err))
	}
	switch size {
	case chunkEnd:
		return io.EOF
	case chunkAborted:
		return ErrAborted
	default:
		b.left = size
		return nil
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func writeString(w *bufio.Writer, s string) error {
	if len(s) > maxField {
		return fmt.Errorf("field of %d bytes, the limit is %d", len(s), maxField)
	}
	if err := writeNumber(w, uint32(len(s))); err != nil {
		return err
	}
	_, err := w.WriteString(s)
	return err
}

// writeNumber and readNumber work inside the buffers: an array of their own
// would be an allocation for each, many times per invocation.
func writeNumber(w *bufio.Writer, n uint32) error {
	_, err := w.Write(binary.BigEndian.AppendUint32(w.AvailableBuffer(), n))
	return err
}

// readNumber gives io.EOF only where nothing of the number is there.
func readNumber(r *bufio.Reader) (uint32, error) {
	b, err := r.Peek(4)
	if err != nil {
		if len(b) > 0 {
			err = unexpected(err)
		}
		return 0, err
	}
	n := binary.BigEndian.Uint32(b)
	_, err = r.Discard(4)
	return n, err
}

func readString(r *bufio.Reader) (string, error) {
	size, err := readNumber(r)
	if err != nil {
		return "", err
	}
	if size > maxField {
		return "", fmt.Errorf("field of %d bytes, the limit is %d", size, maxField)
	}
	if int(size) <= r.Buffered() {
		b, _ := r.Peek(int(size)) // all there
		s := string(b)
		_, err := r.Discard(int(size))
		return s, err
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", unexpected(err)
	}
	return string(b), nil
}
