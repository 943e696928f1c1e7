package bed

import (
	"slices"
	"sync"

	"github.com/lamina-dev/lamina/internal/check/watch"
)

// facts are what the watch of an environment has told.
type facts struct {
	path    string
	pipe    *watch.Pipe
	decoder watch.Decoder // the pipe's goroutine's

	mu      sync.Mutex
	records []watch.Record
}

func openFacts(path string) (_ *facts, err error) {
	f := &facts{path: path}
	f.pipe, err = watch.Listen(path, f.took)
	return f, err
}

func (f *facts) took(data []byte) {
	records := f.decoder.Decode(data)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = append(f.records, records...)
}

// take gives all records written before the call.
func (f *facts) take() []watch.Record {
	if f == nil {
		return nil
	}
	f.pipe.Drain()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.records)
}

func (f *facts) close() {
	if f != nil {
		f.pipe.Close()
	}
}

// Facts are what the watch has told so far; none where there is no watch.
func (e *Environment) Facts() []watch.Record { return e.facts.take() }
