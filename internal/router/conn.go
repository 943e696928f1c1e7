package router

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/rawconn"
	"github.com/lamina-dev/lamina/internal/wire"
)

const (
	// largeCall is from where an invocation's frame gets a connection of its own:
	// what shares one waits while it is sent (chosen).
	largeCall = 16 << 10
	// fewCalls on a connection are sent without waiting for others: with four
	// clients, waiting cost a tenth of the answers (measured: bench/README.md).
	fewCalls = 3
	// readBuffer holds a part of a large answer, or several small ones.
	readBuffer = wire.PartSize + 4<<10
	// maxAnswer bounds an answer's frame: its body comes in parts, and its fields
	// are a runtime's header lines at most (chosen).
	maxAnswer = 4 << 20
)

// conn is a connection to an agent's invoke listener. Its calls have no goroutine
// that reads for them: one of the waiting ones does it for all until it has its
// own answer, and the next takes over. So a call alone wakes nobody but itself.
type conn struct {
	net.Conn
	in      *wire.Frames // of who holds reading
	out     *wire.Batch
	reading chan struct{} // holds one: who reads has put it in

	retired atomic.Bool // takes no further calls; stored under mu

	mu    sync.Mutex
	calls map[uint32]*call
	last  uint32 // number given
	timer *time.Timer
	rings time.Time // when timer does; zero: not set
}

// call is one invocation on its way. While it is in conn.calls only its own
// caller, reading, writes to it, and under mu whoever reads adds to its body.
// Whoever takes it out may write to it, and then tells who waits.
type call struct {
	deadline time.Time
	mark     wire.Mark // of its frame
	sink     lamina.Sink
	done     chan struct{} // holds one

	res      wire.Result
	body     []byte
	streamed bool  // it has begun to stream,
	ended    bool  // and to the end
	lost     error // why the sink takes no more
	err      error // errUnsent, or why there is no answer
}

// errUnsent is of a call that the agent has not received whole, so that nothing
// has run.
var errUnsent = errors.New("the invocation was not sent")

// errLate is of a call whose agent did not answer in time.
var errLate = errors.New("the agent did not answer in time")

func newConn(c net.Conn) *conn {
	return &conn{
		Conn: c, in: wire.NewFrames(c, readBuffer, maxAnswer), out: wire.NewBatch(c),
		reading: make(chan struct{}, 1), calls: map[uint32]*call{},
	}
}

func newCall(sink lamina.Sink, deadline time.Time) *call {
	return &call{deadline: deadline, sink: sink, done: make(chan struct{}, 1)}
}

// run sends in and waits for its answer; k.err tells what became of it. False:
// the connection takes nothing any more.
func (c *conn) run(k *call, in *wire.Invoke) bool {
	number, more := c.enter(k)
	if number == 0 {
		return false
	}
	if err := c.send(k, number, more, in); err != nil {
		c.fail(err) // finishes k too
	}
	select {
	case <-k.done:
	case c.reading <- struct{}{}:
		c.read(k)
		<-c.reading
	}
	return true
}

func (c *conn) send(k *call, number uint32, more bool, in *wire.Invoke) error {
	if len(in.Body) >= largeCall {
		return c.out.AddLarge(&k.mark, wire.AppendInvokeHead(nil, number, in), in.Body)
	}
	return c.out.Add(more, &k.mark, func(b []byte) []byte { return wire.AppendInvoke(b, number, in) })
}

// enter gives k a number, 0 if there is no use in it; more: others are on their way.
func (c *conn) enter(k *call) (number uint32, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired.Load() {
		return 0, false
	}
	for c.last++; c.last == 0 || c.calls[c.last] != nil; c.last++ { // after four billion they come again
	}
	c.calls[c.last] = k
	if c.rings.IsZero() || k.deadline.Before(c.rings) {
		c.alarm(k.deadline)
	}
	return c.last, len(c.calls) > fewCalls
}

// take takes a call out of the table; nil: it is over.
func (c *conn) take(number uint32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.calls[number]
	delete(c.calls, number)
	c.closeIfDone()
	return k
}

// closeIfDone ends a retired connection that has no call; c.mu is held.
func (c *conn) closeIfDone() {
	if len(c.calls) == 0 && c.retired.Load() {
		c.Close()
		if c.timer != nil {
			c.timer.Stop() // it would keep the buffers until the last call's deadline
		}
	}
}

// read serves all calls until mine is over.
func (c *conn) read(mine *call) {
	for {
		select {
		case <-mine.done:
			return
		default:
		}
		f, err := c.in.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) { // expire's
			err = c.SetReadDeadline(time.Time{})
			if err == nil {
				continue
			}
		}
		if err == nil {
			err = c.frame(f, mine)
		}
		if err != nil {
			c.fail(err)
		}
	}
}

// frame brings one frame to its call.
func (c *conn) frame(f wire.Frame, mine *call) error {
	switch f.Kind {
	case wire.KindAnswer:
		res, body, err := f.Answer()
		switch {
		case err != nil:
			return err
		case res.Outcome == wire.OutcomeStream:
			return c.begin(f.Call, mine, res.ContentType)
		}
		if k := c.take(f.Call); k != nil {
			if k.res = res; k.body == nil {
				k.body = body
			} else {
				k.body = append(k.body, body...)
			}
			k.done <- struct{}{}
		}
		return nil
	case wire.KindPart:
		return c.part(f, mine)
	default:
		return fmt.Errorf("frame of unknown kind %d", f.Kind)
	}
}

// begin makes the answer a stream.
func (c *conn) begin(number uint32, mine *call, contentType string) error {
	c.mu.Lock()
	k := c.calls[number]
	c.mu.Unlock()
	switch {
	case k == nil:
		return nil
	case k != mine || k.sink == nil || k.streamed:
		return errors.New("the agent streams what nobody asked it to")
	}
	k.streamed, k.lost = true, k.sink.Begin(contentType)
	return nil
}

// part takes a piece of a stream or of a large answer.
func (c *conn) part(f wire.Frame, mine *call) error {
	c.mu.Lock()
	k := c.calls[f.Call]
	streams := k != nil && k == mine && k.streamed && !k.ended
	if k != nil && !streams {
		k.body = append(k.body, f.Part()...)
	}
	c.mu.Unlock()
	switch {
	case !streams:
	case len(f.Part()) == 0:
		k.ended = true
	case k.lost == nil:
		_, k.lost = k.sink.Write(f.Part())
	}
	return nil
}

// usable: further calls may be run.
func (c *conn) usable() bool { return !c.retired.Load() }

// over: the agent has ended the connection, and no call is here to notice.
func (c *conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls) == 0 && !rawconn.Alive(c.Conn)
}

// retire closes the connection after the calls that are on it.
func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired.Store(true)
	c.closeIfDone()
}

// fail ends all calls.
func (c *conn) fail(err error) {
	c.Close()
	c.out.Stop(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired.Store(true)
	if c.timer != nil {
		c.timer.Stop()
	}
	for number, k := range c.calls {
		c.end(number, k, err)
	}
}

// end ends a call that has no answer; c.mu is held.
func (c *conn) end(number uint32, k *call, err error) {
	if k.err = err; !c.out.Sent(&k.mark) {
		k.err = errUnsent
	}
	delete(c.calls, number)
	k.done <- struct{}{}
}

// alarm makes sure that expire comes by at a time; c.mu is held. One timer serves
// all calls, and may come too early.
func (c *conn) alarm(at time.Time) {
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(at), c.expire)
	} else {
		c.timer.Reset(time.Until(at))
	}
	c.rings = at
}

// expire ends the calls whose agent did not answer in time. Others go on, but
// no further ones come; unless the agent does not even take what it is sent.
func (c *conn) expire() {
	if c.endLate(time.Now()) {
		c.fail(errLate)
	}
}

func (c *conn) endLate(now time.Time) (stuck bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rings = time.Time{}
	var next *call
	late := false
	for number, k := range c.calls {
		switch {
		case now.Before(k.deadline):
			if next == nil || k.deadline.Before(next.deadline) {
				next = k
			}
		case c.out.Sent(&k.mark):
			late = true
			c.retired.Store(true)
			c.end(number, k, errLate)
		default:
			stuck = true
		}
	}
	if next != nil {
		c.alarm(next.deadline)
	}
	if late {
		_ = c.SetReadDeadline(now) // whoever reads may be the one; a broken connection tells the reader itself
		c.closeIfDone()
	}
	return stuck
}
