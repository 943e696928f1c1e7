package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina/internal/rawconn"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/wire"
)

// maxBody bounds an invocation's event: 6 MiB as the service does, and room for
// what a front end wraps around it.
const maxBody = 6<<20 + 64<<10

const (
	// maxFields bounds what comes with the event (chosen: a client's header lines
	// at most, which Go's server ends at 1 MiB).
	maxFields = 2 << 20
	// ioBuffer is how much of a connection is read at once.
	ioBuffer = 32 << 10
)

// serveInvokes accepts connections of routers until ctx ends.
func (a *agent) serveInvokes(ctx context.Context, l net.Listener) error {
	if err := wire.Serve(ctx, l, a.serveConn); err != nil {
		return fmt.Errorf("accept invocations: %w", err)
	}
	return nil
}

// caller is the connection of a router. One goroutine reads it; whoever has an
// answer writes that.
type caller struct {
	net.Conn
	out  *wire.Batch
	open atomic.Int64 // invocations that are not answered yet

	mu      sync.Mutex
	left    bool           // nothing more is to be begun
	running sync.WaitGroup // what has a goroutine of its own
}

// serveConn takes invocations until the connection ends. When a router goes away
// in the middle of one, the slot stays taken until the runtime answers.
func (a *agent) serveConn(ctx context.Context, conn net.Conn) {
	conn = rawconn.New(conn)
	c := &caller{Conn: conn, out: wire.NewBatch(conn)}
	defer c.leave()
	for frames := wire.NewFrames(conn, ioBuffer, maxBody+maxFields); ; {
		f, err := frames.Next()
		if err == nil {
			err = a.take(c, f)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				a.log.Debug("invoke connection ended", "err", err)
			}
			return
		}
	}
}

// leave ends the connection, and waits for what runs on it.
func (c *caller) leave() {
	c.Close()
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	c.running.Wait()
}

// apart runs f in a goroutine of its own, unless the connection has ended.
func (c *caller) apart(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left {
		c.running.Go(f)
	}
}

// asked is an invocation that a router waits for.
type asked struct {
	c      *caller
	number uint32 // the router's
	in     *wire.Invoke
	e      *environment
	inv    runtimeapi.Invocation
	broken error // why it could not be sent a stream
}

// take runs the invocation that a frame carries, or lets somebody else do it:
// others may come behind it on the connection.
func (a *agent) take(c *caller, f wire.Frame) error {
	if f.Kind != wire.KindInvoke {
		return fmt.Errorf("a frame of kind %d from a router", f.Kind)
	}
	in, err := f.Invoke()
	if err != nil {
		return err
	}
	if len(in.Body) > maxBody {
		return fmt.Errorf("invocation body of %d bytes, the limit is %d", len(in.Body), maxBody)
	}
	c.open.Add(1)
	q := &asked{c: c, number: f.Call, in: in, e: a.environment(in.EnvironmentID)}
	if q.e == nil {
		return q.answer(wire.Result{Outcome: wire.OutcomeGone}, nil)
	}
	slot, err := q.e.api().Reserve()
	if err != nil {
		if told, err := q.e.sentence(q); told {
			return err
		}
		return q.refuse(err)
	}
	q.e.touched.Store(true)
	a.sampler.touch()
	in.Timeout = cmp.Or(in.Timeout, q.e.spec.Timeout)
	q.inv = event(in)
	if q.e.spec.Managed && !in.Stream && q.inv.Small() {
		q.e.logs.invokeStart(in)
		slot.Start(&q.inv, q)
		return nil
	}
	c.running.Go(func() { // c has not left while its reader is here
		if err := q.run(slot); err != nil {
			c.Close()
		}
	})
	return nil
}

// run runs an invocation to its end and answers it; an error means the
// connection is broken.
func (q *asked) run(slot runtimeapi.Slot) error {
	res, tail, err := q.e.invoke(q, slot)
	switch {
	case err != nil:
		return q.refuse(err)
	case q.broken != nil:
		return q.broken
	default:
		return q.finish(res, tail)
	}
}

// largeAnswer is what a socket may not hold: its writing would keep the worker
// from its next event (chosen).
const largeAnswer = wire.PartSize

// Answered implements runtimeapi.Caller. A router that is gone is noticed by
// whoever reads the connection.
func (q *asked) Answered(res runtimeapi.Result, err error) {
	if err != nil {
		_ = q.refuse(err)
		return
	}
	q.e.logs.invokeReport(q.in, &res)
	if len(res.Body) < largeAnswer {
		_ = q.finish(res, "")
		return
	}
	q.c.apart(func() { _ = q.finish(res, "") })
}

// refuse answers with why nothing was handed over.
func (q *asked) refuse(err error) error {
	out := wire.Result{Outcome: wire.OutcomeGone, ErrorType: refusalType(err)}
	if errors.Is(err, runtimeapi.ErrBusy) || errors.Is(err, runtimeapi.ErrDuplicate) {
		out.Outcome = wire.OutcomeBusy
	}
	return q.answer(out, nil)
}

// finish answers with what the runtime, or its end, made of the invocation.
func (q *asked) finish(res runtimeapi.Result, tail string) error {
	out := wire.Result{Outcome: wire.OutcomeOK, ContentType: res.ContentType, LogTail: tail}
	if res.Status != runtimeapi.StatusOK {
		out.Outcome, out.ErrorType = wire.OutcomeFunctionError, res.ErrorType
	}
	return q.answer(out, res.Body)
}

func (q *asked) answer(res wire.Result, body []byte) error {
	others := q.c.open.Add(-1) > 0
	return q.c.out.AddAnswer(others, q.number, res, body)
}

// refusalType is the word before the colon of runtimeapi's refusals.
func refusalType(err error) string {
	switch {
	case errors.Is(err, runtimeapi.ErrDuplicate):
		return "Client.DuplicatedInvokeId"
	case errors.Is(err, runtimeapi.ErrNotReady):
		return "Client.InitIncomplete"
	case errors.Is(err, runtimeapi.ErrBusy):
		return "Runtime.Unavailable"
	default:
		return "Client.ExecutionEnvironmentUnhealthy"
	}
}

// invoke hands one invocation to the runtime and waits for it. The tail is the
// end of its log, if it was asked for.
func (e *environment) invoke(q *asked, slot runtimeapi.Slot) (res runtimeapi.Result, tail string, err error) {
	in, late := q.in, time.Duration(0)
	if !e.spec.Managed {
		e.ordinary.reported() // the last one's lines come first
		late = time.Duration(e.ordinary.late.Swap(0))
		if in.Tail {
			e.logs.beginTail()
			defer func() { tail = e.logs.endTail() }()
		}
	}
	e.logs.invokeStart(in)
	// Not bound to the connection: once handed over, the slot is taken until the
	// runtime answers, and the API's own timer ends the wait.
	q.inv.Timeout = remaining(in.Timeout, late)
	res, err = slot.Invoke(context.Background(), &q.inv)
	if err == nil && res.Stream != nil {
		res = q.relay(res, time.Now().Add(in.Timeout+relayGrace))
	}
	switch {
	case err != nil:
	case e.spec.Managed:
		e.logs.invokeReport(in, &res)
	default:
		e.conclude(in, &res, late)
	}
	return res, "", err
}

func event(in *wire.Invoke) runtimeapi.Invocation {
	return runtimeapi.Invocation{
		RequestID:     in.RequestID,
		FunctionARN:   in.FunctionARN,
		TraceID:       in.TraceID,
		ClientContext: in.ClientContext,
		TenantID:      in.TenantID,
		ContentType:   in.ContentType,
		Timeout:       in.Timeout,
		Stream:        in.Stream,
		Body:          in.Body,
	}
}
