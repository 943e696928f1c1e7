package runtimeapi

import (
	"context"
	"fmt"
	"time"

	"github.com/lamina-dev/lamina"
)

// call is one invocation on its way through the environment. Its fields are
// guarded by Server.mu, save those set before it is shared.
type call struct {
	node     node[call] // in Server.waiting
	inv      *Invocation
	timeout  time.Duration
	state    callState
	nonce    string // of the current delivery
	start    time.Time
	answered time.Time    // when its answer began
	due      node[call]   // in Server.due while its time runs
	patience *time.Timer  // withdraws c if no worker comes; nil: one was there; set before c is shared
	via      *conn        // on which a worker has it; nil: that worker has moved on
	open     bool         // its answer comes in pieces: an error may still take its place
	reader   *conn        // on which its answer is being read
	to       Caller       // who is told, or nil and
	done     chan outcome // one send, by tell or beginStream
	said     outcome      // what to is told,
	told     *call        // and whom else: Server.told
	stream   *Stream      // since beginStream
	left     bool         // nobody waits on done any more
	// announced: the extensions have its INVOKE event.
	announced bool
}

type callState int

const (
	callWaiting   callState = iota // no worker yet
	callRunning                    // handed to a worker
	callAnswering                  // the worker's answer is being read
	callTimedOut                   // the caller has its answer, the worker is still busy
	callDone                       // out of the table
)

type outcome struct {
	res Result
	err error
}

// Caller is told how an invocation ended.
type Caller interface {
	// Answered comes once, from whichever goroutine knows: mostly the one that
	// serves the worker, which gets no answer of its own meanwhile. An error is
	// as Slot.Invoke's.
	Answered(Result, error)
}

// Slot is a reserved place for one invocation.
type Slot struct{ s *Server }

// Reserve takes a slot, so that a body need not be read for a refused call.
// Exactly one of the slot's Invoke and Release must follow.
func (s *Server) Reserve() (Slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == phaseInit:
		return Slot{}, ErrNotReady
	case s.phase != phaseReady || s.draining:
		return Slot{}, ErrEnded
	case s.inFlight >= s.cfg.MaxConcurrency || s.ext.busy > 0:
		return Slot{}, ErrBusy
	}
	s.inFlight++
	return Slot{s}, nil
}

// Release gives an unused slot back.
func (sl Slot) Release() {
	sl.s.mu.Lock()
	defer sl.s.mu.Unlock()
	sl.s.releaseSlot()
}

func (s *Server) releaseSlot() {
	s.inFlight--
	s.settle()
}

// settle ends a Drain once nothing is left to wait for; s.mu is held.
func (s *Server) settle() {
	if s.inFlight == 0 && s.ext.busy == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// Invoke reserves and runs inv. An error means that nothing was handed over,
// save ctx's own, after which the worker may still run and keeps its slot.
// The server may still be sending inv.Body after an early return, so it must
// never be reused.
func (s *Server) Invoke(ctx context.Context, inv *Invocation) (Result, error) {
	sl, err := s.Reserve()
	if err != nil {
		return Result{}, err
	}
	return sl.Invoke(ctx, inv)
}

// Start is Invoke for one who does not wait, neither for an answer nor, with a
// small inv, for a worker: to is told. No goroutine wakes for the answer but the
// worker's own. inv gets no stream.
func (sl Slot) Start(inv *Invocation, to Caller) {
	c := &call{inv: inv, to: to}
	p, err := sl.s.admit(c)
	if err != nil {
		to.Answered(Result{}, err)
		return
	}
	sl.s.hand(c, p)
}

// Invoke is as Server.Invoke and uses up the slot.
func (sl Slot) Invoke(ctx context.Context, inv *Invocation) (Result, error) {
	s := sl.s
	c := &call{inv: inv, done: make(chan outcome, 1)}
	p, err := s.admit(c)
	if err != nil {
		return Result{}, err
	}
	s.hand(c, p)
	select {
	case o := <-c.done:
		return o.res, o.err
	case <-ctx.Done():
		if s.withdraw(c) {
			return Result{}, fmt.Errorf("waiting for a worker: %w", ctx.Err())
		}
		s.leaveCall(c)
		return Result{}, fmt.Errorf("waiting for the answer: %w", ctx.Err())
	}
}

// admit enters c into the table and assigns it to a parked poll, mostly the newest, to
// which the caller must hand it; nil: it waits for one. The newest is that of the
// worker whose memory is warm.
func (s *Server) admit(c *call) (p *poll, err error) {
	c.node.value, c.due.value, c.timeout = c, c, c.inv.Timeout
	if c.timeout <= 0 {
		c.timeout = s.cfg.Timeout
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseReady {
		err = ErrEnded
	} else if _, dup := s.calls[c.inv.RequestID]; dup {
		err = ErrDuplicate
	}
	if err != nil {
		s.releaseSlot()
		return nil, err
	}
	s.calls[c.inv.RequestID] = c
	if p := s.freePoll(); p != nil {
		s.begin(c, p)
		return p, nil
	}
	c.patience = time.AfterFunc(max(s.cfg.Bridge, 0), func() { s.withdraw(c) })
	s.waiting.push(&c.node)
	return nil, nil
}

// freePoll takes the parked poll that gets the next event; s.mu is held.
func (s *Server) freePoll() *poll {
	if s.cfg.InTurn {
		return s.polls.pop()
	}
	return s.polls.popLast()
}

// begin makes c a running call of p's worker and starts its clock; s.mu is held.
func (s *Server) begin(c *call, p *poll) {
	c.stopPatience()
	c.state, c.nonce, c.start = callRunning, s.newNonce(), time.Now()
	c.via, p.conn.given = p.conn, c
	s.due.remove(&c.due)
	s.due.insert(&c.due, func(other *call) bool { return !c.deadline().Before(other.deadline()) })
	if s.due.first == &c.due {
		s.alarm(c.start)
	}
}

func (c *call) stopPatience() {
	if c.patience != nil {
		c.patience.Stop()
	}
}

func (c *call) deadline() time.Time { return c.start.Add(c.timeout) }

// alarm makes sure that expire comes by when the first running call is due;
// s.mu is held. A timer for each call would cost more than all else that is
// done for it under the lock, so one serves all, and may come too early.
func (s *Server) alarm(now time.Time) {
	at := s.due.first.value.deadline()
	switch {
	case s.timer == nil:
		s.timer = time.AfterFunc(at.Sub(now), s.expire)
	case s.rings.IsZero() || at.Before(s.rings):
		s.timer.Reset(at.Sub(now))
	default:
		return
	}
	s.rings = at
}

// withdraw ends c as refused if no worker has it, and tells so.
func (s *Server) withdraw(c *call) bool {
	s.mu.Lock()
	defer s.unlock()
	if c.state != callWaiting {
		return false
	}
	s.finish(c, outcome{err: ErrBusy})
	return true
}

// leaveCall lets a response stream into the void.
func (s *Server) leaveCall(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.left = true
	if c.stream != nil {
		c.stream.Close()
	}
}

// expire ends the time of the calls that are due.
func (s *Server) expire() {
	s.mu.Lock()
	defer s.unlock()
	s.rings = time.Time{}
	now := time.Now()
	for n := s.due.first; n != nil && !now.Before(n.value.deadline()); n = s.due.first {
		s.due.remove(n)
		s.timeUp(n.value)
	}
	if s.due.first != nil {
		s.alarm(now)
	}
}

// lateRest is how long the rest of an answer may take whose beginning came in time
// (chosen). Broken off at once, a client that sends it in two pieces, as Go's does,
// takes its post for failed, and aws-lambda-go then ends with all that it runs.
const lateRest = time.Second

// timeUp gives the caller its timeout. Nothing is killed, and the slot stays
// taken until the worker answers; a half-read answer must come to its end soon,
// and of a stream the rest is read for nobody. s.mu is held.
func (s *Server) timeUp(c *call) {
	if c.state == callAnswering && c.stream == nil {
		c.reader.SetReadDeadline(time.Now().Add(lateRest))
	}
	c.state = callTimedOut
	s.tell(c, outcome{res: timeoutResult(c)})
	s.abandon(c)
}

// movedOn notes that the worker behind w has ended or asks for more: what it was
// given last it does not answer any more. s.mu is held.
func (s *Server) movedOn(w *conn) {
	if c := w.given; c != nil && c.via == w {
		c.via = nil
		s.abandon(c)
	}
	w.given = nil
}

// abandon frees the slot of a timed-out call whose worker has moved on; s.mu is
// held. It believes that only of a runtime whose workers have a connection each:
// clients that share theirs poll on one while a handler still runs whose event
// came over it.
func (s *Server) abandon(c *call) {
	if c.state == callTimedOut && c.via == nil && c.reader == nil && s.answered.here && !s.answered.elsewhere {
		s.finish(c, outcome{})
	}
}

// tell gives c's caller its outcome; s.mu is held, and it happens once.
func (s *Server) tell(c *call, o outcome) {
	switch {
	case c.stream != nil:
		c.stream.end(o.res)
	case c.to != nil:
		c.said, c.told, s.told = o, s.told, c
	default:
		c.done <- o
	}
}

// unlock lets go of s.mu and then tells those who have something to hear.
func (s *Server) unlock() {
	c := s.told
	s.told = nil
	s.mu.Unlock()
	for ; c != nil; c = c.told {
		c.to.Answered(c.said.res, c.said.err)
	}
}

// finish takes c out of the table, frees its slot and hands o to the caller
// unless a timeout did; s.mu is held.
func (s *Server) finish(c *call, o outcome) {
	if c.state == callDone {
		return
	}
	if c.state != callTimedOut {
		s.tell(c, o)
	}
	c.state = callDone
	c.stopPatience()
	s.waiting.remove(&c.node)
	s.due.remove(&c.due)
	delete(s.calls, c.inv.RequestID)
	s.releaseSlot()
}

// hand sends c as the answer to p, and to other polls if p's connection turns
// out to be broken.
func (s *Server) hand(c *call, p *poll) {
	if s.ext.invoked && p != nil { // fixed since init
		s.invokeExtensions(c)
	}
	for p != nil {
		sent := p.conn.alive() && s.send(p.conn, c) == nil
		if !sent {
			p.conn.Close() // no event, not a fake one either
		}
		p.over <- sent
		if sent {
			return
		}
		p = s.undelivered(c)
	}
}

// undelivered takes back a call whose worker's connection broke before it had
// the whole event: another parked worker gets it, else the caller may retry
// elsewhere.
func (s *Server) undelivered(c *call) *poll {
	s.mu.Lock()
	defer s.unlock()
	switch c.state {
	case callRunning:
		if p := s.freePoll(); p != nil {
			s.begin(c, p)
			return p
		}
		s.finish(c, outcome{err: ErrBusy})
	case callTimedOut:
		s.finish(c, outcome{})
	}
	return nil
}

// timeoutResult is the exact answer of the service.
func timeoutResult(c *call) Result {
	return Result{
		Status:      StatusTimeout,
		ErrorType:   "Sandbox.Timedout",
		ContentType: typeJSON,
		Body:        lamina.ErrorPayload("Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", c.timeout.Seconds())),
		Duration:    c.timeout, // all of its time, as AWS reports: how late this is told is not the function's
	}
}
