package runtimeapi

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
)

// maxPolls bounds the parked polls of one environment, as AWS's agent does.
const maxPolls = 10_000

// Server is the Runtime API of one execution environment.
type Server struct {
	cfg   Config
	conns connections
	ready chan struct{} // closed at the first poll
	ended chan struct{} // closed by Fail and Close
	// initFailed is closed once initErr is set.
	initFailed chan struct{}

	mu        sync.Mutex
	phase     phase
	draining  bool
	idle      chan struct{} // closed by the last running call while draining
	initErr   InitError
	initPosts int
	polls     list[poll] // parked, oldest first; the newest gets the next event
	ext       extensions
	tel       telemetry  // has its own lock
	waiting   list[call] // in flight without a worker, oldest first
	due       list[call] // whose time runs, by its end
	timer     *time.Timer
	rings     time.Time // when timer comes; zero: not at all
	told      *call     // those who are to hear their outcome once mu is free
	calls     map[string]*call
	inFlight  int                            // reserved, waiting and running, with the timed-out ones
	answered  struct{ here, elsewhere bool } // whether on the connection that brought the event
	nonce     [16]byte
	seq       uint64
}

type phase int

const (
	phaseInit phase = iota
	phaseReady
	phaseInitFailed
	phaseEnded
)

// New makes a Server; Serve makes it reachable.
func New(cfg Config) *Server {
	cfg.MaxConcurrency = max(cfg.MaxConcurrency, 1)
	if cfg.Bridge == 0 {
		cfg.Bridge = DefaultBridge
	}
	s := &Server{
		cfg:        cfg,
		ready:      make(chan struct{}),
		ended:      make(chan struct{}),
		initFailed: make(chan struct{}),
		calls:      make(map[string]*call, cfg.MaxConcurrency),
	}
	s.ext = newExtensions()
	s.tel.start()
	rand.Read(s.nonce[:8])
	return s
}

// Ready is closed at the runtime's first poll: init is complete.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// InitFailed is closed when the runtime posts /init/error before it was ready.
func (s *Server) InitFailed() <-chan struct{} { return s.initFailed }

// InitError is the posted error; zero before InitFailed.
func (s *Server) InitError() InitError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.initErr
}

// InFlight counts reserved and running invocations, timed-out ones included
// until their worker answers.
func (s *Server) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

// Idle counts parked polls.
func (s *Server) Idle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polls.n
}

// Fail ends the environment: the runtime process is gone. Every running
// invocation fails with errorType and "RequestId: <id> Error: <message>"; the
// first call wins.
func (s *Server) Fail(errorType, message string) {
	s.mu.Lock()
	defer s.unlock()
	s.end(func(c *call) Result {
		return Result{
			Status:      StatusFailed,
			ErrorType:   errorType,
			ContentType: typeJSON,
			Body:        lamina.ErrorPayload(errorType, "RequestId: "+c.inv.RequestID+" Error: "+message),
			Duration:    time.Since(c.start),
		}
	})
}

// end fails what runs and releases the parked polls; s.mu is held.
func (s *Server) end(fail func(*call) Result) {
	if s.phase == phaseEnded {
		return
	}
	s.phase = phaseEnded
	close(s.ended)
	if s.timer != nil {
		s.timer.Stop() // nothing runs any more
	}
	for n := s.polls.first; n != nil; n = n.next {
		n.value.conn.breakOff()
	}
	s.breakOffExtensions(false)
	for _, c := range s.calls {
		switch c.state {
		case callWaiting:
			s.finish(c, outcome{err: ErrEnded})
		case callTimedOut:
			s.finish(c, outcome{})
		default:
			s.finish(c, outcome{res: fail(c)})
		}
	}
}

// Drain refuses new invocations and waits until none runs or ctx ends.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	if s.inFlight == 0 && s.ext.busy == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for running invocations: %w", ctx.Err())
	}
}

// Close releases parked polls with a closed connection, fails what still runs
// and ends Serve.
func (s *Server) Close() error {
	s.Fail("Client.ExecutionEnvironmentShutDown", "the execution environment was shut down")
	s.releaseExtensions()
	return s.conns.close()
}

// newNonce makes an id that no other delivery of this environment has, in the
// shape of a UUID; s.mu is held.
func (s *Server) newNonce() string {
	s.seq++
	binary.BigEndian.PutUint64(s.nonce[8:], s.seq)
	n, b := &s.nonce, make([]byte, 0, 36)
	b = append(hex.AppendEncode(b, n[:4]), '-')
	b = append(hex.AppendEncode(b, n[4:6]), '-')
	b = append(hex.AppendEncode(b, n[6:8]), '-')
	b = append(hex.AppendEncode(b, n[8:10]), '-')
	return string(hex.AppendEncode(b, n[10:]))
}
