package bed

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/check/watch"
)

// facts is the reading end of the watch's pipe.
type facts struct {
	path string
	file *os.File
	done chan struct{}

	mu      sync.Mutex
	records []watch.Record
	bad     int
	marks   map[string]chan struct{}
	marked  int
}

// openFacts makes the pipe. It is held open for writing as well, so that it has
// no end when a worker goes and no worker waits for a reader.
func openFacts(path string) (*facts, error) {
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		return nil, fmt.Errorf("make the watch's pipe: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // whatever the umask is
		return nil, fmt.Errorf("open the watch's pipe for the function: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the watch's pipe: %w", err)
	}
	f := &facts{path: path, file: file, done: make(chan struct{}), marks: map[string]chan struct{}{}}
	go f.read()
	return f, nil
}

// mark is the kind of a record of our own, which tells that all before it is read.
const mark watch.Kind = "mark"

func (f *facts) read() {
	defer close(f.done)
	var d watch.Decoder
	buf := make([]byte, 64<<10)
	for {
		n, err := f.file.Read(buf)
		if err != nil {
			return
		}
		f.took(d.Decode(buf[:n]), d.Bad)
	}
}

func (f *facts) took(records []watch.Record, bad int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bad = bad
	for _, r := range records {
		if r.Kind != mark {
			f.records = append(f.records, r)
		} else if c := f.marks[r.Name]; c != nil {
			close(c)
			delete(f.marks, r.Name)
		}
	}
}

// markTime bounds the wait for what is in the pipe (chosen; it holds 64 KiB).
const markTime = 10 * time.Second

// take gives all records written before the call.
func (f *facts) take() []watch.Record {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	f.marked++
	name, c := fmt.Sprint(f.marked), make(chan struct{})
	f.marks[name] = c
	f.mu.Unlock()
	_ = f.file.SetWriteDeadline(time.Now().Add(markTime)) // a full pipe whose reader we are
	if _, err := fmt.Fprintf(f.file, "{\"kind\":%q,\"name\":%q}\n", mark, name); err == nil {
		timer := time.NewTimer(markTime)
		defer timer.Stop()
		select {
		case <-c:
		case <-timer.C:
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]watch.Record(nil), f.records...)
}

func (f *facts) close() {
	if f == nil {
		return
	}
	f.file.Close()
	<-f.done
	os.Remove(f.path)
}

// Facts are what the watch has told so far; none where there is no watch.
func (e *Environment) Facts() []watch.Record { return e.facts.take() }
