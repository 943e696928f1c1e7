package agent

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Batching of log events (chosen): they leave after a moment or when many have
// gathered, and are dropped and counted beyond the bound.
const (
	flushAfter   = 50 * time.Millisecond
	flushBytes   = 256 << 10
	maxPending   = 4 << 20 // bytes of one environment
	maxBatch     = 1 << 20 // bytes of one frame
	eventBytes   = 64      // what an event takes besides its text
	floodBytes   = 8 << 20 // what an environment may write each second, after a burst of maxPending
	flushTimeout = time.Second
)

// Making events into text stops in between for the invocations that have come
// meanwhile, yet not often, since each stop may last a millisecond (chosen: some
// 50 µs at a stretch; the p99 at one connection fell by a fifth).
const (
	leastStretch = 16 // events
	mostPauses   = 16 // of one batch
)

// sender is where the shipper sends; a session.
type sender interface {
	send(kind wire.Kind, payload any) error
}

// shipper takes the log events of all environments to the server. Nobody who
// logs ever waits for it.
type shipper struct {
	to      sender
	welcome chan struct{}
	some    chan struct{}      // there is something to send
	many    chan struct{}      // there is much
	now     chan chan struct{} // flush and close the channel

	mu      sync.Mutex
	buffers []*logBuffer
}

func newShipper(s *session) *shipper {
	return &shipper{
		to:      s,
		welcome: s.welcome,
		some:    make(chan struct{}, 1),
		many:    make(chan struct{}, 1),
		now:     make(chan chan struct{}),
	}
}

// buffer makes the place for one environment's events.
func (s *shipper) buffer(spec wire.EnvironmentSpec) *logBuffer {
	b := &logBuffer{s: s, spec: spec, system: leastOf(spec.SysLogLevel), app: leastOf(spec.AppLogLevel)}
	if spec.LogFormat == "Text" { // only JSON logs have levels
		b.system, b.app = logTrace, logTrace
		b.joins = spec.Image == nil && !strings.HasPrefix(spec.Runtime, "provided")
	}
	s.mu.Lock()
	s.buffers = append(slices.Clone(s.buffers), b)
	s.mu.Unlock()
	return b
}

// run ships until ctx ends.
func (s *shipper) run(ctx context.Context) error {
	for {
		var flushed chan struct{}
		select {
		case <-s.some:
			flushed = s.gather(ctx)
		case <-s.many:
		case <-s.welcome:
		case flushed = <-s.now:
		case <-ctx.Done():
			return nil
		}
		s.ship()
		if flushed != nil {
			close(flushed)
		}
	}
}

// gather lets a moment's events come together.
func (s *shipper) gather(ctx context.Context) (flushed chan struct{}) {
	t := time.NewTimer(flushAfter)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.many:
	case flushed = <-s.now:
	case <-ctx.Done():
	}
	return flushed
}

// flush ships what there is and waits for it, though not long.
func (s *shipper) flush() {
	t := time.NewTimer(flushTimeout)
	defer t.Stop()
	done := make(chan struct{})
	select {
	case s.now <- done:
	case <-t.C:
		return
	}
	select {
	case <-done:
	case <-t.C:
	}
}

// ship sends all that is pending, or keeps it when no server takes it.
func (s *shipper) ship() {
	s.mu.Lock()
	buffers := s.buffers
	s.mu.Unlock()
	finished := false
	for _, b := range buffers {
		if !b.ship(s.to) {
			return
		}
		finished = finished || b.finished()
	}
	if finished {
		s.mu.Lock()
		s.buffers = slices.DeleteFunc(slices.Clone(s.buffers), (*logBuffer).finished)
		s.mu.Unlock()
	}
}

// logBuffer holds one environment's events until they are shipped.
type logBuffer struct {
	s      *shipper
	spec   wire.EnvironmentSpec
	system logLevel // the least of platform events that are kept
	app    logLevel // the same of the function's own JSON lines
	joins  bool     // it is of a bootstrap of ours, which puts lineEnd into lines
	// tap sees every line and platform event, whatever the level; set before any.
	tap func(typ string, at int64, line []byte, rec *record)

	mu      sync.Mutex
	events  []logEntry
	bytes   int
	lost    int // dropped since the last batch
	flood   flood
	closed  bool
	memory  int64           // the most bytes resident at any look
	tail    *logTail        // of the running invocation, when somebody wants it
	sending []wire.LogEvent // taken from events, not sent yet; only ship uses it
}

// logEntry is a line, or a platform event that becomes one when it is shipped:
// the invoke path makes no text.
type logEntry struct {
	at   int64 // Unix milliseconds
	line string
	rec  *record
}

// text gives an entry's lines.
func (e *logEntry) text(spec *wire.EnvironmentSpec) []string {
	if e.rec == nil {
		return []string{e.line}
	}
	return e.rec.lines(spec, e.at)
}

// line takes one line of the runtime's output.
func (b *logBuffer) line(p []byte) { b.lineOf(runtimeapi.TelemetryFunction, p) }

// extensionLine takes one line of an extension's output.
func (b *logBuffer) extensionLine(p []byte) { b.lineOf(runtimeapi.TelemetryExtension, p) }

// lineEnd is what our bootstraps write in text logs for a line's end within an event.
var lineEnd = []byte{0xff}

func (b *logBuffer) lineOf(typ string, p []byte) {
	at := time.Now().UnixMilli()
	if !utf8.Valid(p) {
		if typ == runtimeapi.TelemetryFunction && b.joins {
			p = bytes.ReplaceAll(p, lineEnd, []byte{'\n'})
		}
		p = bytes.ToValidUTF8(p, []byte("\uFFFD"))
	}
	if b.tap != nil {
		b.tap(typ, at, p, nil)
	}
	if typ == runtimeapi.TelemetryFunction && b.app > logTrace && logLevelOf(p) < b.app {
		return
	}
	b.add(logEntry{at: at, line: string(p)}, len(p)+eventBytes)
}

// flood bounds what one environment's output may cost the agent, the server and
// its disk: a bucket that fills at floodBytes a second.
type flood struct {
	level int   // bytes taken from the bucket
	at    int64 // Unix milliseconds of the last look
}

func (f *flood) admits(at int64, size int) bool {
	if passed := at - f.at; passed > 0 {
		f.level = max(0, f.level-int(min(passed, 1000)*floodBytes/1000))
		f.at = at
	}
	if f.level+size > maxPending {
		return false
	}
	f.level += size
	return true
}

func (b *logBuffer) add(e logEntry, size int) {
	b.mu.Lock()
	if b.tail != nil {
		for _, text := range e.text(&b.spec) {
			b.tail.add(text)
		}
	}
	first := len(b.events) == 0
	if b.bytes+size > maxPending || e.rec == nil && !b.flood.admits(e.at, size) {
		b.lost++
		b.mu.Unlock()
		poke(b.s.some)
		return
	}
	b.events = append(b.events, e)
	before := b.bytes
	b.bytes += size
	b.mu.Unlock()
	if first {
		poke(b.s.some)
	}
	if before < flushBytes && before+size >= flushBytes {
		poke(b.s.many)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ship sends what is pending in frames of a bounded size; false when no server took it.
func (b *logBuffer) ship(to sender) bool {
	for {
		if len(b.sending) == 0 && !b.take() {
			return true
		}
		n, size := 0, 0
		for n < len(b.sending) && (n == 0 || size+len(b.sending[n].Message) < maxBatch) {
			size += len(b.sending[n].Message) + eventBytes
			n++
		}
		if err := to.send(wire.KindLogs, wire.LogBatch{EnvironmentID: b.spec.ID, Events: b.sending[:n]}); err != nil {
			return false
		}
		b.sending = b.sending[n:]
		b.mu.Lock()
		b.bytes = max(0, b.bytes-size)
		b.mu.Unlock()
	}
}

// take moves the pending events to sending, as text. Their bytes go on counting
// until they are sent.
func (b *logBuffer) take() bool {
	b.mu.Lock()
	entries, lost := b.events, b.lost
	b.events, b.lost = nil, 0
	if len(entries) == 0 && lost == 0 {
		b.bytes = 0
	}
	b.mu.Unlock()
	if lost > 0 {
		entries = append(entries, logEntry{at: time.Now().UnixMilli(), rec: &record{kind: logsDropped, count: lost}})
	}
	b.sending = make([]wire.LogEvent, 0, len(entries))
	stretch := max(leastStretch, len(entries)/mostPauses)
	for i, e := range entries {
		if i%stretch == stretch-1 {
			time.Sleep(time.Microsecond) // an agent has one thread: let it see what has arrived
		}
		for _, text := range e.text(&b.spec) {
			b.sending = append(b.sending, wire.LogEvent{UnixMilli: e.at, Message: text})
		}
	}
	return len(b.sending) > 0
}

// close lets the buffer go once it is empty.
func (b *logBuffer) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	poke(b.s.some)
}

func (b *logBuffer) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed && len(b.events) == 0 && len(b.sending) == 0
}

func (b *logBuffer) setMemory(n int64) {
	b.mu.Lock()
	b.memory = max(b.memory, n)
	b.mu.Unlock()
}

// platform logs an event of the platform's own if the function's level asks for it.
func (b *logBuffer) platform(r record) { b.platformAt(time.Now().UnixMilli(), r) }

func (b *logBuffer) platformAt(at int64, r record) {
	if b.tap != nil {
		b.tap(runtimeapi.TelemetryPlatform, at, nil, &r)
	}
	if r.level(b.spec.Managed) >= b.system {
		b.add(logEntry{at: at, rec: &r}, recordBytes)
	}
}

// recordBytes is about what a platform event's line has.
const recordBytes = 300

func (b *logBuffer) invokeStart(in *wire.Invoke) {
	b.platform(record{kind: invokeStart, requestID: in.RequestID, functionARN: in.FunctionARN, traceID: in.TraceID})
}

// runtimeDone is the end of the runtime's own part of init. Of a timeout AWS
// reports none.
func (b *logBuffer) runtimeDone(f *fault, p phase) {
	r := record{kind: initRuntimeDone, phase: p, status: "success"}
	if f != nil {
		r.status, r.errorType = f.status(), f.errorType
	}
	if r.status != "timeout" {
		b.platform(r)
	}
}

func (b *logBuffer) invokeReport(in *wire.Invoke, res *runtimeapi.Result) {
	b.platform(record{
		kind: invokeReport, requestID: in.RequestID, functionARN: in.FunctionARN,
		status: reportStatus(res.Status), errorType: res.ErrorType, duration: res.Duration,
		traceID: in.TraceID, spans: spansOf(res),
	})
}

// invokeDone is the end of an ordinary function's own part of an invocation;
// words are the platform's about it.
func (b *logBuffer) invokeDone(in *wire.Invoke, res *runtimeapi.Result, words string) {
	b.invokeEnds(invokeDone, in, res, &ended{words: words, produced: res.Produced}, spansOf(res))
}

// invokeEnd is the end of an ordinary function's invocation.
func (b *logBuffer) invokeEnd(in *wire.Invoke, res *runtimeapi.Result, init time.Duration) {
	b.mu.Lock()
	memory := b.memory
	b.mu.Unlock()
	b.invokeEnds(invokeReport, in, res, &ended{init: init, memory: memory}, nil)
}

func (b *logBuffer) invokeEnds(k kind, in *wire.Invoke, res *runtimeapi.Result, e *ended, s *spans) {
	b.platform(record{
		kind: k, requestID: in.RequestID, functionARN: in.FunctionARN,
		status: reportStatus(res.Status), errorType: res.ErrorType, duration: res.Duration,
		ended: e, traceID: in.TraceID, spans: s,
	})
}

// spansOf a result whose answer was read.
func spansOf(res *runtimeapi.Result) *spans {
	if res.Answered.IsZero() {
		return nil
	}
	latency := res.Answered.Sub(res.Handed)
	return &spans{res.Handed, latency, res.Duration - latency}
}

// beginTail keeps the end of what is logged from now on, until endTail gives it.
func (b *logBuffer) beginTail() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tail = new(logTail)
}

func (b *logBuffer) endTail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	tail := b.tail
	b.tail = nil
	return string(tail.end())
}

// reportStatus is the vocabulary of platform.report.
func reportStatus(s runtimeapi.Status) string {
	switch s {
	case runtimeapi.StatusOK:
		return "success"
	case runtimeapi.StatusTimeout:
		return "timeout"
	case runtimeapi.StatusFailed:
		return "failure"
	default:
		return "error"
	}
}
