package agent

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/wire"
)

// relayGrace is how long past the function's timeout a router may take for the
// rest of a stream (chosen; the router itself waits as long).
const relayGrace = 5 * time.Second

// pieces hold what is on its way from a runtime to a router.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// relay passes a response on as the runtime writes it and gives the result it
// ended with, for the second answer. A router that went away does not end the
// invocation: the slot is taken until the runtime has answered.
func (c *caller) relay(head runtimeapi.Result, deadline time.Time) runtimeapi.Result {
	if c.broken = c.passOn(head, deadline); c.broken != nil {
		head.Stream.Close()
	}
	return head.Stream.Result()
}

func (c *caller) passOn(head runtimeapi.Result, deadline time.Time) error {
	if err := c.SetWriteDeadline(deadline); err != nil {
		return err
	}
	if err := wire.WriteResult(c.w, wire.Result{Outcome: wire.OutcomeStream, ContentType: head.ContentType}); err != nil {
		return err
	}
	if err := c.w.Flush(); err != nil {
		return err
	}
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	for {
		n, err := head.Stream.Read(buf[:])
		if errors.Is(err, io.EOF) {
			break
		}
		if err := wire.WriteChunk(c.w, buf[:n]); err != nil {
			return err
		}
		if err := c.w.Flush(); err != nil {
			return err
		}
	}
	if err := wire.EndBody(c.w, false); err != nil {
		return err
	}
	return c.SetWriteDeadline(time.Time{})
}
