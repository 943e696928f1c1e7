package bed

import (
	"bytes"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/sandbox"
)

// maxLines and maxText bound what of a log is kept (chosen).
const (
	maxLines = 20_000
	maxText  = 2 << 10
)

type logKeeper struct {
	mu    sync.Mutex
	lines []trace.Line
}

func (l *logKeeper) line(stream sandbox.Stream, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) < maxLines {
		text := string(bytes.ToValidUTF8(line[:min(len(line), maxText)], []byte("\uFFFD")))
		l.lines = append(l.lines, trace.Line{At: time.Now(), Stderr: stream == sandbox.Stderr, Text: text})
	}
}

// last gives the end of the log, for a message.
func (l *logKeeper) last() (texts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines[max(0, len(l.lines)-5):] {
		texts = append(texts, line.Text)
	}
	return texts
}

// Log is what was logged so far.
func (e *Environment) Log() []trace.Line {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	return append([]trace.Line(nil), e.log.lines...)
}
