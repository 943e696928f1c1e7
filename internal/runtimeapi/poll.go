package runtimeapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// poll is one parked GET …/next, that is one free worker.
type poll struct {
	node  node[poll]
	given chan *call // one send, by assign
}

// errors of a poll that is not to get an event.
var (
	errTooManyPolls = errors.New("Runtime.TooManyIdleRuntimes")
	errPollGone     = errors.New("the poll's connection has closed")
	errCallGone     = errors.New("the invocation has ended meanwhile")
	errInitState    = errors.New("the runtime has reported an init error")
)

// next waits for an event and sends it.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	c, err := s.park(r.Context())
	switch {
	case errors.Is(err, errPollGone):
		return
	case errors.Is(err, errInitState):
		writeError(w, http.StatusForbidden, "InvalidStateTransition",
			"State transition from InitError to Ready failed for runtime. Error: state transition is not allowed")
		return
	case err != nil:
		writeError(w, http.StatusInternalServerError, "InternalServerError", "Internal Server Error")
		return
	}
	if !connAlive(r.Context()) || s.send(w, c) != nil {
		s.undelivered(c)
		panic(http.ErrAbortHandler) // closes the connection: no event, not a fake one either
	}
}

// park waits, without limit, for a call to run.
func (s *Server) park(ctx context.Context) (*call, error) {
	p := &poll{given: make(chan *call, 1)}
	p.node.value = p
	if err := s.enter(p); err != nil {
		return nil, err
	}
	select {
	case c := <-p.given:
		return c, nil
	case <-s.ended:
	case <-ctx.Done():
	}
	return nil, s.leave(p)
}

// enter gives p the oldest waiting call or parks it. The first poll ends init.
func (s *Server) enter(p *poll) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case phaseInit:
		s.phase = phaseReady
		close(s.ready)
	case phaseInitFailed:
		return errInitState
	case phaseEnded:
		return ErrEnded
	}
	if c := s.waiting.pop(); c != nil {
		s.assign(c, p)
		return nil
	}
	if s.polls.n >= maxPolls {
		return errTooManyPolls
	}
	s.polls.push(&p.node)
	return nil
}

// leave takes back what p may have been given in the meantime.
func (s *Server) leave(p *poll) error {
	s.mu.Lock()
	parked := s.polls.remove(&p.node)
	ended := s.phase == phaseEnded
	s.mu.Unlock()
	if !parked {
		s.undelivered(<-p.given)
	}
	if ended {
		return ErrEnded
	}
	return errPollGone
}

// send writes c as a poll's answer: headers and body in one flush, whose error
// tells that the worker never had the whole event.
func (s *Server) send(w http.ResponseWriter, c *call) error {
	s.mu.Lock()
	nonce, start, ok := c.nonce, c.start, c.state == callRunning
	s.mu.Unlock()
	if !ok {
		return errCallGone
	}
	inv, h := c.inv, w.Header()
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set("Lambda-Runtime-Aws-Request-Id", inv.RequestID)
	set("Lambda-Runtime-Invocation-Id", nonce)
	set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(start.Add(c.timeout).UnixMilli(), 10))
	set("Lambda-Runtime-Invoked-Function-Arn", orElse(inv.FunctionARN, s.cfg.FunctionARN))
	set("Lambda-Runtime-Trace-Id", inv.TraceID)
	set("Lambda-Runtime-Client-Context", inv.ClientContext)
	set("Lambda-Runtime-Cognito-Identity", inv.CognitoIdentity)
	set("Lambda-Runtime-Aws-Tenant-Id", inv.TenantID)
	set("Content-Type", orElse(inv.ContentType, typeJSON))
	set("Content-Length", strconv.Itoa(len(inv.Body)))
	h["Date"] = nil
	if _, err := w.Write(inv.Body); err != nil {
		return err
	}
	if f, ok := w.(interface{ FlushError() error }); ok {
		return f.FlushError()
	}
	return nil
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

type connKey struct{}

// withConn keeps a connection's socket at hand for connAlive and abortReading.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connAlive looks for the end of the stream without reading from it. net/http
// notices a closed connection too, but a moment later, by which time an event
// could be written into the void.
func connAlive(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	c, ok := ctx.Value(connKey{}).(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	alive := true
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = n > 0 || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
	})
	return alive && err == nil
}

// abortReading lets a running read of the request's body fail.
func abortReading(r *http.Request) func() {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return func() {
		if c != nil {
			c.SetReadDeadline(time.Unix(1, 0))
		}
	}
}
