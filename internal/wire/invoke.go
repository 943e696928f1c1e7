package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	Stream        bool          // the answer may be OutcomeStream; the connection is then this invocation's alone
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
	OutcomeStream                           // the response follows in parts as it comes, the last one empty, and then a second answer: how it ended, its body the error
)

// Refused says whether the invocation reached no runtime.
func (o Outcome) Refused() bool { return o == OutcomeBusy || o == OutcomeGone }

// Result is an answer without its body.
type Result struct {
	Outcome     Outcome
	ErrorType   string // e.g. Sandbox.Timedout; empty on OutcomeOK
	ContentType string
	LogTail     string // when it was asked for: the last 4 KiB of the invocation's log
	Process     int    // process id that answered, when the runtime told it
}

// PartSize is how much of a body one part carries at most, so that others'
// answers get between the parts of a large one (chosen).
const PartSize = 32 << 10

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

// Size is the length of in's frame in bytes.
func (in *Invoke) Size() int {
	n := frameHead + 4*7 + 8 + 4 + len(in.Body)
	for _, s := range in.fields() {
		n += len(*s)
	}
	return n
}

// AppendInvoke appends the frame of an invocation.
func AppendInvoke(b []byte, call uint32, in *Invoke) []byte {
	return append(AppendInvokeHead(b, call, in), in.Body...)
}

// AppendInvokeHead appends all of the frame but the body, which must follow it.
func AppendInvokeHead(b []byte, call uint32, in *Invoke) []byte {
	b = appendHead(b, in.Size(), call, KindInvoke)
	for _, s := range in.fields() {
		b = appendString(b, *s)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(in.Timeout))
	return binary.BigEndian.AppendUint32(b, in.flags())
}

// Invoke is the invocation that a frame of KindInvoke carries.
func (f Frame) Invoke() (*Invoke, error) {
	in, p := new(Invoke), f.payload()
	fields := in.fields()
	if err := p.strings(fields[:]); err != nil {
		return nil, fmt.Errorf("invocation: %w", err)
	}
	timeout, err := p.number(8)
	if err != nil {
		return nil, fmt.Errorf("invocation's timeout: %w", err)
	}
	flags, err := p.number(4)
	if err != nil {
		return nil, fmt.Errorf("invocation's flags: %w", err)
	}
	if unknown := flags &^ (flagTail | flagStream); unknown != 0 {
		return nil, fmt.Errorf("invocation with unknown flags %x", unknown)
	}
	in.Timeout, in.Tail, in.Stream = time.Duration(timeout), flags&flagTail != 0, flags&flagStream != 0
	in.Body = f.keep(p.rest)
	return in, nil
}

// AppendAnswer appends the frame of an answer, whose body ends that of the
// parts before it.
func AppendAnswer(b []byte, call uint32, res Result, body []byte) []byte {
	size := frameHead + 1 + 4*3 + len(res.ErrorType) + len(res.ContentType) + len(res.LogTail) + 4 + len(body)
	b = append(appendHead(b, size, call, KindAnswer), byte(res.Outcome))
	for _, s := range [3]string{res.ErrorType, res.ContentType, res.LogTail} {
		b = appendString(b, s)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(res.Process)), body...)
}

// Answer is what a frame of KindAnswer carries.
func (f Frame) Answer() (res Result, body []byte, err error) {
	p := f.payload()
	outcome, err := p.number(1)
	if err != nil {
		return res, nil, fmt.Errorf("answer: %w", err)
	}
	res.Outcome = Outcome(outcome)
	if err := p.strings([]*string{&res.ErrorType, &res.ContentType, &res.LogTail}); err != nil {
		return res, nil, fmt.Errorf("answer: %w", err)
	}
	process, err := p.number(4)
	if err != nil {
		return res, nil, fmt.Errorf("answer's process: %w", err)
	}
	res.Process = int(process)
	return res, f.keep(p.rest), nil
}

// AppendPartHead appends the frame of a piece of an answer's body, but for the
// piece, which must follow it.
func AppendPartHead(b []byte, call uint32, size int) []byte {
	return appendHead(b, frameHead+size, call, KindPart)
}

// Part is the piece that a frame of KindPart carries, until the next frame is read.
func (f Frame) Part() []byte { return f.data }

// errShort is a frame that ends within one of its fields.
var errShort = errors.New("the frame ends too early")

// payload is what is left of a frame's data. Its strings are cut from one copy.
type payload struct{ rest []byte }

func (f Frame) payload() *payload { return &payload{f.data} }

func (p *payload) number(size int) (n uint64, err error) {
	if len(p.rest) < size {
		return 0, errShort
	}
	for _, b := range p.rest[:size] {
		n = n<<8 | uint64(b)
	}
	p.rest = p.rest[size:]
	return n, nil
}

// strings reads as many strings as there are places for them.
func (p *payload) strings(to []*string) error {
	before := p.rest
	var ends [8]int // of the strings in before, each after four bytes of length
	at := 0
	for i := range to {
		n, err := p.number(4)
		if err != nil {
			return err
		}
		if n > uint64(len(p.rest)) {
			return errShort
		}
		p.rest = p.rest[n:]
		at += 4 + int(n)
		ends[i] = at
	}
	all, from := string(before[:at]), 0
	for i, s := range to {
		*s = all[from+4 : ends[i]]
		from = ends[i]
	}
	return nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}
