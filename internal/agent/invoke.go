package agent

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/rawconn"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/wire"
)

// maxBody bounds an invocation's event: 6 MiB as the service does, and room for
// what a front end wraps around it.
const maxBody = 6<<20 + 64<<10

// ioBuffer is each invoke connection's buffer in either direction.
const ioBuffer = 16 << 10

// serveInvokes accepts connections of routers until ctx ends.
func (a *agent) serveInvokes(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := wire.Accept(l)
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept invocations: %w", err)
		}
		conns.Go(func() { a.serveConn(ctx, c) })
	}
}

// caller is the connection of a router. Once an invocation is with a worker, the
// goroutine that reads the connection waits for the next one, and whoever has
// the answer writes it; router and agent take turns.
type caller struct {
	net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	broken error // why it could not be sent a stream

	// out is held while an answer is written: the router may have it, and send the
	// next invocation, before the writer has let go of w.
	out  sync.Mutex
	busy bool // an invocation is not answered yet

	mu      sync.Mutex
	left    bool           // nothing more is to be begun
	writing sync.WaitGroup // large answers
}

// serveConn handles one invocation after the other. When a client goes away in
// the middle of one, the slot stays taken until the runtime answers.
func (a *agent) serveConn(ctx context.Context, conn net.Conn) {
	conn = rawconn.New(conn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := &caller{Conn: conn, r: bufio.NewReaderSize(conn, ioBuffer), w: bufio.NewWriterSize(conn, ioBuffer)}
	defer c.leave()
	for {
		in, err := wire.ReadInvoke(c.r, maxBody)
		switch {
		case err != nil:
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				a.log.Debug("invoke connection ended", "err", err)
			}
			return
		case !c.begin():
			a.log.Warn("invoke connection ended: a second invocation came before the answer to the first")
			return
		}
		if a.invoke(c, in) != nil {
			return
		}
	}
}

// begin waits until the last answer's writer is done; false: there was no answer yet.
func (c *caller) begin() bool {
	c.out.Lock()
	defer c.out.Unlock()
	was := c.busy
	c.busy = true
	return !was
}

// leave ends the connection, and waits for who writes to it.
func (c *caller) leave() {
	c.Close()
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	c.writing.Wait()
}

// apart runs write in a goroutine of its own, unless the connection has ended.
func (c *caller) apart(write func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left {
		c.writing.Go(write)
	}
}

// invoke runs one invocation and answers it, or leaves that to the worker who
// got it; an error means the connection is broken.
func (a *agent) invoke(c *caller, in *wire.Invoke) error {
	e := a.environment(in.EnvironmentID)
	if e == nil {
		return c.answer(wire.Result{Outcome: wire.OutcomeGone}, nil)
	}
	slot, err := e.api().Reserve()
	if err != nil {
		if told, err := e.sentence(c, in); told {
			return err
		}
		return c.refuse(err)
	}
	e.touched.Store(true)
	e.a.sampler.touch()
	in.Timeout = cmp.Or(in.Timeout, e.spec.Timeout)
	if e.spec.Managed && !in.Stream {
		e.logs.invokeStart(in)
		h := &handed{c: c, e: e, in: in}
		h.inv = event(in, in.Timeout)
		slot.Start(&h.inv, h)
		return nil
	}
	res, tail, err := e.invoke(c, in, slot)
	switch {
	case err != nil:
		return c.refuse(err)
	case c.broken != nil:
		return c.broken
	default:
		return c.finish(res, tail)
	}
}

// handed is an invocation of a managed function on its way through a worker.
type handed struct {
	c   *caller
	e   *environment
	in  *wire.Invoke
	inv runtimeapi.Invocation
}

// largeAnswer is what a socket may not hold: its writing would keep the worker
// from its next event (chosen).
const largeAnswer = 32 << 10

// Answered implements runtimeapi.Caller. A router that is gone is noticed by
// whoever reads the connection.
func (h *handed) Answered(res runtimeapi.Result, err error) {
	if err != nil {
		_ = h.c.refuse(err)
		return
	}
	h.e.logs.invokeReport(h.in, &res)
	if len(res.Body) < largeAnswer {
		_ = h.c.finish(res, "")
		return
	}
	h.c.apart(func() { _ = h.c.finish(res, "") })
}

// refuse answers with why nothing was handed over.
func (c *caller) refuse(err error) error {
	out := wire.Result{Outcome: wire.OutcomeGone, ErrorType: refusalType(err)}
	if errors.Is(err, runtimeapi.ErrBusy) || errors.Is(err, runtimeapi.ErrDuplicate) {
		out.Outcome = wire.OutcomeBusy
	}
	return c.answer(out, nil)
}

// finish answers with what the runtime, or its end, made of the invocation.
func (c *caller) finish(res runtimeapi.Result, tail string) error {
	out := wire.Result{Outcome: wire.OutcomeOK, ContentType: res.ContentType, LogTail: tail}
	if res.Status != runtimeapi.StatusOK {
		out.Outcome, out.ErrorType = wire.OutcomeFunctionError, res.ErrorType
	}
	return c.answer(out, res.Body)
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

func (c *caller) answer(res wire.Result, body []byte) error {
	c.out.Lock()
	defer c.out.Unlock()
	c.busy = false // the next one may come as soon as this is written
	if err := wire.WriteResult(c.w, res); err != nil {
		return err
	}
	if err := wire.WriteChunk(c.w, body); err != nil {
		return err
	}
	return wire.EndBody(c.w, false)
}

// invoke hands one invocation to the runtime and waits for it. The tail is the
// end of its log, if it was asked for.
func (e *environment) invoke(c *caller, in *wire.Invoke, slot runtimeapi.Slot) (res runtimeapi.Result, tail string, err error) {
	late := time.Duration(0)
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
	inv := event(in, remaining(in.Timeout, late))
	res, err = slot.Invoke(context.Background(), &inv)
	if err == nil && res.Stream != nil {
		res = c.relay(res, time.Now().Add(in.Timeout+relayGrace))
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

func event(in *wire.Invoke, timeout time.Duration) runtimeapi.Invocation {
	return runtimeapi.Invocation{
		RequestID:     in.RequestID,
		FunctionARN:   in.FunctionARN,
		TraceID:       in.TraceID,
		ClientContext: in.ClientContext,
		TenantID:      in.TenantID,
		ContentType:   in.ContentType,
		Timeout:       timeout,
		Stream:        in.Stream,
		Body:          in.Body,
	}
}
