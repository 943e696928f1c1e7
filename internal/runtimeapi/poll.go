package runtimeapi

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// poll is one parked GET …/next, that is one free worker.
type poll struct {
	node node[poll]
	conn *conn
	over chan bool // one send, by hand: whether it has an event
}

// errors of a poll that is not to get an event.
var (
	errTooManyPolls = errors.New("Runtime.TooManyIdleRuntimes")
	errInitState    = errors.New("the runtime has reported an init error")
)

// next waits for an event. Whoever has one writes it; this goroutine meanwhile
// watches the connection, whose next bytes come once the event is there.
func (s *Server) next(w *conn) (goesOn bool) {
	p := &poll{conn: w, over: make(chan bool, 1)}
	p.node.value = p
	c, err := s.enter(p)
	if err != nil {
		return refusePoll(w, err)
	}
	if c != nil {
		s.hand(c, p)
		return <-p.over
	}
	if _, err := w.r.Peek(1); err != nil {
		s.leave(p)
		return false
	}
	select {
	case sent := <-p.over:
		return sent
	case <-s.ended: // a client that did not wait for its event
		return s.leave(p)
	}
}

func refusePoll(w *conn, err error) bool {
	if errors.Is(err, errInitState) {
		writeError(w, http.StatusForbidden, "InvalidStateTransition",
			"State transition from InitError to Ready failed for runtime. Error: state transition is not allowed")
	} else {
		writeError(w, http.StatusInternalServerError, "InternalServerError", "Internal Server Error")
	}
	return true
}

// enter parks p or gives the oldest waiting call, which is to be handed to p.
// The first poll ends init, or the last extension that is not ready yet does.
func (s *Server) enter(p *poll) (*call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case phaseInit:
		s.closeRegistration()
	case phaseInitFailed:
		return nil, errInitState
	case phaseEnded:
		return nil, ErrEnded
	}
	s.movedOn(p.conn)
	if c := s.waiting.pop(); c != nil {
		s.begin(c, p)
		return c, nil
	}
	if s.polls.n >= maxPolls {
		return nil, errTooManyPolls
	}
	s.polls.push(&p.node)
	return nil, nil
}

// leave takes a poll back whose connection or environment has ended, or sees it
// through when somebody is just handing it an event.
func (s *Server) leave(p *poll) (goesOn bool) {
	s.mu.Lock()
	parked, ended := s.polls.remove(&p.node), s.phase == phaseEnded
	s.mu.Unlock()
	if !parked {
		return <-p.over
	}
	if ended {
		refusePoll(p.conn, ErrEnded)
	}
	return false
}

const (
	// largeEvent is where an event is no longer copied behind its head, and its
	// sending gets a time limit: the socket of a worker that has read what it was
	// sent before holds any smaller one, with its head (chosen).
	largeEvent = 16 << 10
	// headRoom is what the head of an event's message takes at most besides the
	// invocation's own words.
	headRoom = 1 << 10
	// sendGrace lets the invocation's own timer speak first (chosen).
	sendGrace = 100 * time.Millisecond
)

// Small tells whether inv can be handed over without waiting for its worker to
// read it.
func (inv *Invocation) Small() bool {
	n := len(inv.Body) + headRoom
	for _, s := range [...]string{inv.RequestID, inv.FunctionARN, inv.TraceID, inv.ClientContext, inv.CognitoIdentity, inv.TenantID, inv.ContentType} {
		n += len(s)
	}
	return n < largeEvent
}

// send writes c as a poll's answer; an error tells that the worker never had
// the whole event.
func (s *Server) send(w *conn, c *call) error {
	inv := c.inv
	b := append(w.out[:0], "HTTP/1.1 200 OK\r\n"...)
	b = appendHeader(b, "Content-Type", cmp.Or(inv.ContentType, typeJSON))
	b = appendHeader(b, "Lambda-Runtime-Aws-Request-Id", inv.RequestID)
	b = appendHeader(b, "Lambda-Runtime-Invocation-Id", c.nonce)
	b = append(b, "Lambda-Runtime-Deadline-Ms: "...)
	b = append(strconv.AppendInt(b, c.start.Add(c.timeout).UnixMilli(), 10), "\r\n"...)
	b = appendHeader(b, "Lambda-Runtime-Invoked-Function-Arn", cmp.Or(inv.FunctionARN, s.cfg.FunctionARN))
	b = appendHeader(b, "Lambda-Runtime-Trace-Id", inv.TraceID)
	b = appendHeader(b, "Lambda-Runtime-Client-Context", inv.ClientContext)
	b = appendHeader(b, "Lambda-Runtime-Cognito-Identity", inv.CognitoIdentity)
	b = appendHeader(b, "Lambda-Runtime-Aws-Tenant-Id", inv.TenantID)
	if inv.Small() {
		return w.finishNow(b, inv.Body)
	}
	if err := w.SetWriteDeadline(c.start.Add(c.timeout + sendGrace)); err != nil {
		return err
	}
	if err := w.finish(b, inv.Body); err != nil {
		return err
	}
	return w.SetWriteDeadline(time.Time{})
}

// appendHeader appends a header line unless the value is empty. A value can't
// begin a line of its own.
func appendHeader(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(b, name...), ": "...)
	if strings.ContainsAny(value, "\r\n") {
		value = oneLine.Replace(value)
	}
	return append(append(b, value...), "\r\n"...)
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ")
