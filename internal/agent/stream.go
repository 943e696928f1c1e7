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
var pieces = sync.Pool{New: func() any { return new([wire.PartSize]byte) }}

// relay passes a response on as the runtime writes it and gives the result it
// ended with, for the second answer. A router that went away does not end the
// invocation: the slot is taken until the runtime has answered.
func (q *asked) relay(head runtimeapi.Result, deadline time.Time) runtimeapi.Result {
	if q.broken = q.passOn(head, deadline); q.broken != nil {
		head.Stream.Close()
	}
	return head.Stream.Result()
}

// passOn has the connection for itself: routers share none with a stream.
func (q *asked) passOn(head runtimeapi.Result, deadline time.Time) error {
	if err := q.c.SetWriteDeadline(deadline); err != nil {
		return err
	}
	begin := wire.Result{Outcome: wire.OutcomeStream, ContentType: head.ContentType}
	if err := q.c.out.AddAnswer(false, q.number, begin, nil); err != nil {
		return err
	}
	buf := pieces.Get().(*[wire.PartSize]byte)
	defer pieces.Put(buf)
	for {
		n, err := head.Stream.Read(buf[:])
		if errors.Is(err, io.EOF) {
			if err := q.c.out.AddPart(q.number, nil); err != nil { // the end
				return err
			}
			return q.c.SetWriteDeadline(time.Time{})
		}
		if n > 0 {
			if err := q.c.out.AddPart(q.number, buf[:n]); err != nil {
				return err
			}
		}
	}
}
