package router

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// pieces hold what is on its way from agents to sinks.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// pass reads a streamed body to its end.
func (c *conn) pass(sink lamina.Sink, contentType string) error {
	if sink == nil {
		return errors.New("the agent streams what nobody asked it to")
	}
	lost := sink.Begin(contentType)
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	for body := wire.NewBody(c.r); ; {
		n, err := body.Read(buf[:])
		if n > 0 && lost == nil {
			_, lost = sink.Write(buf[:n])
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("passing a response on: %w", err)
		}
	}
}
