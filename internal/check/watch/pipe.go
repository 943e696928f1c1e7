package watch

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// readEvery is between two looks into the pipe (chosen). A reader that waits in
// the pipe would be woken by each record, which takes longer than writing it.
const readEvery = 5 * time.Millisecond

// Pipe is the reading end of the watch's FIFO.
type Pipe struct {
	path string
	fd   int
	took func(data []byte)
	asks chan chan struct{} // each is closed when the pipe has been read empty
	end  chan struct{}
	done chan struct{}
}

// Listen makes a FIFO that everybody may write to; took gets what is written,
// always from the same goroutine.
func Listen(path string, took func(data []byte)) (*Pipe, error) {
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		return nil, fmt.Errorf("make the watch's pipe: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // whatever the umask is
		return nil, fmt.Errorf("open the watch's pipe for the function: %w", err)
	}
	// Open for writing as well, so that it has no end when a worker goes and no
	// worker waits for a reader. Not an os.File, whose poller is woken by each write.
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the watch's pipe: %w", err)
	}
	p := &Pipe{path: path, fd: fd, took: took, asks: make(chan chan struct{}), end: make(chan struct{}), done: make(chan struct{})}
	go p.read()
	return p, nil
}

func (p *Pipe) read() {
	defer close(p.done)
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	buf := make([]byte, 64<<10)
	for {
		select {
		case <-tick.C:
			p.empty(buf)
		case c := <-p.asks:
			p.empty(buf)
			close(c)
		case <-p.end:
			return
		}
	}
}

func (p *Pipe) empty(buf []byte) {
	for {
		n, err := syscall.Read(p.fd, buf)
		if n > 0 {
			p.took(buf[:n])
		}
		if err != nil && !errors.Is(err, syscall.EINTR) || n == 0 {
			return // EAGAIN: nothing more by now
		}
	}
}

// Drain returns when took has had all that was written before the call.
func (p *Pipe) Drain() {
	c := make(chan struct{})
	select {
	case p.asks <- c:
		<-c
	case <-p.done:
	}
}

// Close ends the reading and removes the FIFO.
func (p *Pipe) Close() {
	close(p.end)
	<-p.done
	_ = syscall.Close(p.fd) // nothing was written
	os.Remove(p.path)
}
