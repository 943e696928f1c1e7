package sandbox

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// Output carries a process's stdout and stderr to its log, line by line.
type Output struct {
	streams [2]*stream
	write   [2]*os.File
	readers sync.WaitGroup
}

// stream is the reading end of one pipe. Whoever holds mu may read from it: its
// own reader whenever there is something, and Flush.
type stream struct {
	file *os.File
	log  func([]byte)

	mu    sync.Mutex
	lines *lines
}

// OpenOutput starts to read. What the process is given are the Ends, which the
// caller closes after its start. log may be nil.
func OpenOutput(log func(Stream, []byte)) (*Output, error) {
	if log == nil {
		log = func(Stream, []byte) {}
	}
	o := &Output{}
	for i := range o.streams {
		r, w, err := os.Pipe()
		if err != nil {
			o.Close()
			return nil, err
		}
		o.write[i] = w
		o.streams[i] = &stream{file: r, log: func(line []byte) { log(Stream(i), line) }, lines: newLines()}
	}
	for _, s := range o.streams {
		o.readers.Go(s.run)
	}
	return o, nil
}

// run reads until the last writer is gone or the deadline has passed.
func (s *stream) run() {
	if raw, err := s.file.SyscallConn(); err == nil {
		_ = raw.Read(s.pump) // a closed pipe is an end like any
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines.end(s.log)
}

// pump logs all that is in the pipe, and tells whether that was the end of it.
func (s *stream) pump(fd uintptr) (ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		n, err := syscall.Read(int(fd), s.lines.room())
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return false
		case err != nil || n <= 0:
			return true
		default:
			s.lines.took(n, s.log)
		}
	}
}

// flush does what run would do a moment later.
func (s *stream) flush() {
	if raw, err := s.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { s.pump(fd) })
	}
}

// Flush returns once every line written before the call has been handed over.
func (o *Output) Flush() {
	for _, s := range o.streams {
		s.flush()
	}
}

// Ends are for the process's stdout and stderr.
func (o *Output) Ends() (stdout, stderr *os.File) { return o.write[Stdout], o.write[Stderr] }

// CloseEnds leaves the process as the only writer.
func (o *Output) CloseEnds() { closeAll(o.write[:]) }

// Drain waits for the last writer to end, at most limit, and closes.
func (o *Output) Drain(limit time.Duration) {
	timer := time.AfterFunc(limit, func() {
		for _, s := range o.streams {
			_ = s.file.SetReadDeadline(time.Unix(1, 0)) // closed meanwhile: then nobody waits
		}
	})
	o.readers.Wait()
	timer.Stop()
	o.closeStreams()
}

// Close ends everything at once, for a process that did not start.
func (o *Output) Close() {
	o.CloseEnds()
	o.closeStreams()
	o.readers.Wait()
}

func (o *Output) closeStreams() {
	for _, s := range o.streams {
		if s != nil {
			s.file.Close()
		}
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
