package sandbox

import (
	"os"
	"sync"
	"time"
)

// DrainTime bounds the wait for output that an escaped descendant keeps open
// after everything known was killed (chosen).
const DrainTime = time.Second

// Lifetime is the half of a Process that is alike in every driver: its output,
// and its end. Who waits for the process says Reaped and then End, each once.
type Lifetime struct {
	output *Output
	done   chan struct{}
	exit   Exit // valid after done

	mu     sync.Mutex
	reaped bool // the PID may belong to someone else by now
}

// NewLifetime begins that of a process which has started.
func NewLifetime(output *Output) *Lifetime {
	return &Lifetime{output: output, done: make(chan struct{})}
}

// Reaped says that the process's PID is free from now on.
func (l *Lifetime) Reaped() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reaped = true
}

// Unreaped runs do while the PID is surely the process's own, else gives os.ErrProcessDone.
func (l *Lifetime) Unreaped(do func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reaped {
		return os.ErrProcessDone
	}
	return do()
}

// End hands over the last lines, then tells how the process ended.
func (l *Lifetime) End(exit Exit) {
	l.output.Drain(DrainTime)
	l.exit = exit
	close(l.done)
}

// Done implements Process.
func (l *Lifetime) Done() <-chan struct{} { return l.done }

// Exit implements Process.
func (l *Lifetime) Exit() Exit {
	select {
	case <-l.done:
		return l.exit
	default:
		return Exit{}
	}
}

// FlushLog implements Flusher.
func (l *Lifetime) FlushLog() { l.output.Flush() }
