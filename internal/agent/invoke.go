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
		c, err := l.Accept()
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

// caller is the connection of a router.
type caller struct {
	net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	broken error // why it could not be sent a stream
}

// serveConn handles one invocation after the other. A client that goes away in
// the middle of one is only noticed afterwards: the slot stays taken until the
// runtime answers.
func (a *agent) serveConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	r := &caller{Conn: c, r: bufio.NewReaderSize(c, ioBuffer), w: bufio.NewWriterSize(c, ioBuffer)}
	for {
		in, err := wire.ReadInvoke(r.r, maxBody)
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				a.log.Debug("invoke connection ended", "err", err)
			}
			return
		}
		if a.invoke(r, in) != nil {
			return
		}
	}
}

// invoke runs one invocation and answers it; an error means the connection is broken.
func (a *agent) invoke(c *caller, in *wire.Invoke) error {
	w, e := c.w, a.environment(in.EnvironmentID)
	if e == nil {
		return answer(w, wire.Result{Outcome: wire.OutcomeGone}, nil)
	}
	res, tail, err := e.invoke(c, in)
	switch {
	case err == nil:
	case errors.Is(err, runtimeapi.ErrBusy), errors.Is(err, runtimeapi.ErrDuplicate):
		return answer(w, wire.Result{Outcome: wire.OutcomeBusy, ErrorType: refusalType(err)}, nil)
	default:
		return answer(w, wire.Result{Outcome: wire.OutcomeGone, ErrorType: refusalType(err)}, nil)
	}
	out := wire.Result{Outcome: wire.OutcomeOK, ContentType: res.ContentType, LogTail: tail}
	if res.Status != runtimeapi.StatusOK {
		out.Outcome, out.ErrorType = wire.OutcomeFunctionError, res.ErrorType
	}
	if c.broken != nil {
		return c.broken
	}
	return answer(w, out, res.Body)
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

func answer(w *bufio.Writer, res wire.Result, body []byte) error {
	if err := wire.WriteResult(w, res); err != nil {
		return err
	}
	if err := wire.WriteChunk(w, body); err != nil {
		return err
	}
	return wire.EndBody(w, false)
}

// invoke hands one invocation to the runtime. The tail is the end of its log, if
// it was asked for.
func (e *environment) invoke(c *caller, in *wire.Invoke) (res runtimeapi.Result, tail string, err error) {
	slot, err := e.api().Reserve()
	if err != nil {
		return runtimeapi.Result{}, "", err
	}
	e.touched.Store(true)
	e.a.sampler.touch()
	in.Timeout = cmp.Or(in.Timeout, e.spec.Timeout)
	late := time.Duration(0)
	if !e.spec.Managed {
		late = time.Duration(e.ordinary.late.Swap(0))
		if in.Tail {
			e.logs.beginTail()
			defer func() { tail = e.logs.endTail() }()
		}
	}
	e.logs.invokeStart(in)
	// Not bound to the connection: once handed over, the slot is taken until the
	// runtime answers, and the API's own timer ends the wait.
	res, err = slot.Invoke(context.Background(), &runtimeapi.Invocation{
		RequestID:     in.RequestID,
		FunctionARN:   in.FunctionARN,
		TraceID:       in.TraceID,
		ClientContext: in.ClientContext,
		TenantID:      in.TenantID,
		ContentType:   in.ContentType,
		Timeout:       remaining(in.Timeout, late),
		Stream:        in.Stream,
		Body:          in.Body,
	})
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
