package sandbox

import (
	"os"
	"sync"
	"time"
)

// Output carries a process's stdout and stderr to its log, line by line.
type Output struct {
	read    [2]*os.File
	write   [2]*os.File
	readers sync.WaitGroup
}

// OpenOutput starts to read. What the process is given are the Ends, which the
// caller closes after its start. log may be nil.
func OpenOutput(log func(Stream, []byte)) (*Output, error) {
	o := &Output{}
	for i := range o.read {
		var err error
		if o.read[i], o.write[i], err = os.Pipe(); err != nil {
			o.Close()
			return nil, err
		}
	}
	if log == nil {
		log = func(Stream, []byte) {}
	}
	for i, f := range o.read {
		o.readers.Go(func() {
			_ = ReadLines(f, func(line []byte) { log(Stream(i), line) }) // a closed pipe is an end like any
		})
	}
	return o, nil
}

// Ends are for the process's stdout and stderr.
func (o *Output) Ends() (stdout, stderr *os.File) { return o.write[Stdout], o.write[Stderr] }

// CloseEnds leaves the process as the only writer.
func (o *Output) CloseEnds() { closeAll(o.write[:]) }

// Drain waits for the last writer to end, at most limit, and closes.
func (o *Output) Drain(limit time.Duration) {
	timer := time.AfterFunc(limit, func() {
		for _, f := range o.read {
			_ = f.SetReadDeadline(time.Unix(1, 0)) // closed meanwhile: then nobody waits
		}
	})
	o.readers.Wait()
	timer.Stop()
	closeAll(o.read[:])
}

// Close ends everything at once, for a process that did not start.
func (o *Output) Close() {
	o.CloseEnds()
	closeAll(o.read[:])
	o.readers.Wait()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
