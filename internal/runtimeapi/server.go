package runtimeapi

import (
	"context"
	"net"
)

// Server is the Runtime API of one execution environment.
type Server struct{}

// New makes a Server; Serve makes it reachable.
func New(cfg Config) *Server { return &Server{} }

// Serve answers the runtime on l until ctx ends or Close; l is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error { panic("todo") }

// Ready is closed at the runtime's first poll: init is complete.
func (s *Server) Ready() <-chan struct{} { panic("todo") }

// InitFailed is closed when the runtime posts /init/error before it was ready.
func (s *Server) InitFailed() <-chan struct{} { panic("todo") }

// InitError is the posted error; zero before InitFailed.
func (s *Server) InitError() InitError { panic("todo") }

// Reserve takes a slot, so that a body need not be read for a refused call.
// Exactly one of the slot's Invoke and Release must follow.
func (s *Server) Reserve() (Slot, error) { panic("todo") }

// Invoke reserves and runs inv. An error means that nothing was handed over,
// save ctx's own, after which the worker may still run and keeps its slot.
func (s *Server) Invoke(ctx context.Context, inv *Invocation) (Result, error) { panic("todo") }

// Slot is a reserved place for one invocation.
type Slot struct{ s *Server }

// Invoke is as Server.Invoke and uses up the slot.
func (sl Slot) Invoke(ctx context.Context, inv *Invocation) (Result, error) { panic("todo") }

// Release gives an unused slot back.
func (sl Slot) Release() { panic("todo") }

// InFlight counts reserved and running invocations, timed-out ones included
// until their worker answers.
func (s *Server) InFlight() int { panic("todo") }

// Idle counts parked polls.
func (s *Server) Idle() int { panic("todo") }

// Fail ends the environment: the runtime process is gone. Every running
// invocation fails with errorType and "RequestId: <id> Error: <message>"; the
// first call wins.
func (s *Server) Fail(errorType, message string) { panic("todo") }

// Drain refuses new invocations and waits until none runs or ctx ends.
func (s *Server) Drain(ctx context.Context) error { panic("todo") }

// Close releases parked polls with a closed connection and ends Serve.
func (s *Server) Close() error { panic("todo") }
