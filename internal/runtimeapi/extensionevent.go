package runtimeapi

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// extensionPoll is one parked GET …/event/next.
type extensionPoll struct {
	conn *conn
	over chan bool // one send, by whoever took the poll: whether it has an event
}

// delivery is an event and where it goes; it is written without Server.mu.
type delivery struct {
	poll  *extensionPoll
	event []byte
}

func (d *delivery) send() {
	d.poll.over <- d.poll.conn.event(d.event) == nil
}

// event writes an extension's event.
func (w *conn) event(body []byte) error {
	b := append(w.out[:0], "HTTP/1.1 200 OK\r\n"...)
	b = appendHeader(b, "Content-Type", typeJSON)
	b = appendHeader(b, headerExtensionEvent, newUUID())
	return w.finish(b, body)
}

// deliver gives an event to a parked poll or keeps it; s.mu is held. The caller
// sends what it returns, without s.mu.
func (e *extension) deliver(event []byte) *delivery {
	p := e.poll
	if p == nil {
		e.due = event
		return nil
	}
	e.poll, e.state = nil, extensionRunning
	return &delivery{p, event}
}

// extensionNext waits for an event, for as long as it takes. It tells that the
// extension has started, or is done with its last event.
func (s *Server) extensionNext(w *conn, r *http.Request) (goesOn bool, err error) {
	e, p, event, err := s.enterExtension(w, r)
	if err != nil || p == nil && event == nil {
		return err != nil, err
	}
	if event != nil {
		return w.event(event) == nil, nil
	}
	if _, err := w.r.Peek(1); err != nil {
		return s.leaveExtension(e, p), nil
	}
	select { // a client that does not wait for its answer
	case sent := <-p.over:
		return sent, nil
	case <-s.ext.released:
		return s.leaveExtension(e, p), nil
	}
}

// enterExtension parks w or gives the event that is due. Neither: the environment
// has ended, and the extension with the runtime it is a part of.
func (s *Server) enterExtension(w *conn, r *http.Request) (*extension, *extensionPoll, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.identify(r)
	if err != nil {
		return nil, nil, nil, err
	}
	switch {
	case e.state == extensionInitError, e.state == extensionExitError, e.poll != nil && e.poll.conn.alive():
		return nil, nil, nil, e.badTransition(extensionReady)
	case s.phase == phaseEnded && !e.external:
		return nil, nil, nil, nil
	}
	if e.state == extensionRunning && slices.Contains(e.events, eventInvoke) {
		s.extensionIdle()
	}
	e.state = extensionReady
	s.becomeReady()
	if event := e.due; event != nil {
		e.due, e.state = nil, extensionRunning
		return e, nil, event, nil
	}
	e.poll = &extensionPoll{conn: w, over: make(chan bool, 1)}
	return e, e.poll, nil, nil
}

// leaveExtension takes a poll back whose connection has ended, or sees it through
// when somebody is just sending an event.
func (s *Server) leaveExtension(e *extension, p *extensionPoll) (goesOn bool) {
	s.mu.Lock()
	parked := e.poll == p
	if parked {
		e.poll = nil
	}
	s.mu.Unlock()
	return !parked && <-p.over
}

// breakOffExtensions lets the parked requests of internal ones fail, since the
// runtime is gone, and those of external ones at the very end; s.mu is held.
func (s *Server) breakOffExtensions(external bool) {
	for _, e := range s.ext.all {
		if e.poll != nil && (external || !e.external) {
			e.poll.conn.breakOff()
		}
	}
}

// extensionIdle notes that one is done with its INVOKE event; s.mu is held.
func (s *Server) extensionIdle() {
	if s.ext.busy == 0 {
		return
	}
	if s.ext.busy--; s.ext.busy == 0 {
		if s.ext.overrun != nil {
			s.ext.overrun.Stop()
		}
		if s.ext.idle != nil {
			close(s.ext.idle)
			s.ext.idle = nil
		}
		s.settle()
	}
}

// ExtensionsIdle is closed when no extension is busy with an INVOKE event.
func (s *Server) ExtensionsIdle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.ext.idle
	if idle == nil {
		idle = make(chan struct{})
		if s.ext.busy == 0 {
			close(idle)
		} else {
			s.ext.idle = idle
		}
	}
	return idle
}

// tracing is the trace of an INVOKE event.
type tracing struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// invokeExtensions sends c's INVOKE event to those that want it. The environment
// has room for no other invocation before they have asked for the next event.
func (s *Server) invokeExtensions(c *call) {
	var sends []*delivery
	s.mu.Lock()
	if !c.announced && (c.state == callRunning || c.state == callAnswering) {
		c.announced = true
		event := invokeEvent(c, s.cfg.FunctionARN)
		for _, e := range s.ext.all {
			if !slices.Contains(e.events, eventInvoke) {
				continue
			}
			s.ext.busy++
			if d := e.deliver(event); d != nil {
				sends = append(sends, d)
			}
		}
		if s.ext.busy > 0 {
			s.ext.overrun = time.AfterFunc(c.timeout, s.extensionsOverdue)
		}
	}
	s.mu.Unlock()
	for _, d := range sends {
		d.send()
	}
}

func invokeEvent(c *call, functionARN string) []byte {
	event := struct {
		EventType          string   `json:"eventType"`
		DeadlineMs         int64    `json:"deadlineMs"`
		RequestID          string   `json:"requestId"`
		InvokedFunctionARN string   `json:"invokedFunctionArn"`
		Tracing            *tracing `json:"tracing,omitempty"`
	}{eventInvoke, c.start.Add(c.timeout).UnixMilli(), c.inv.RequestID, cmp.Or(c.inv.FunctionARN, functionARN), nil}
	if c.inv.TraceID != "" {
		event.Tracing = &tracing{"X-Amzn-Trace-Id", c.inv.TraceID}
	}
	return mustJSON(event, "")
}

func (s *Server) extensionsOverdue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ext.busy == 0 || s.ext.ending {
		return
	}
	select {
	case <-s.ext.overdue:
	default:
		close(s.ext.overdue)
	}
}

// Shutdown sends the SHUTDOWN event to the external extensions that registered
// for it and tells the names of those that did not: nothing will reach them.
func (s *Server) Shutdown(reason string, deadline time.Time) (unsubscribed []string) {
	event := mustJSON(struct {
		EventType      string `json:"eventType"`
		DeadlineMs     int64  `json:"deadlineMs"`
		ShutdownReason string `json:"shutdownReason"`
	}{eventShutdown, deadline.UnixMilli(), reason}, "")
	var sends []*delivery
	s.mu.Lock()
	s.ext.ending = true
	for _, e := range s.ext.all {
		switch {
		case !e.external:
		case !slices.Contains(e.events, eventShutdown):
			unsubscribed = append(unsubscribed, e.name)
		default:
			if d := e.deliver(event); d != nil {
				sends = append(sends, d)
			}
		}
	}
	s.mu.Unlock()
	for _, d := range sends {
		d.send()
	}
	return unsubscribed
}

// releaseExtensions is the end of all waiting.
func (s *Server) releaseExtensions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ext.released:
		return
	default:
	}
	s.ext.ending = true
	if s.ext.overrun != nil {
		s.ext.overrun.Stop()
	}
	close(s.ext.released)
	s.breakOffExtensions(true)
}
