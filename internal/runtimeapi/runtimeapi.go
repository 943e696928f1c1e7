// Package runtimeapi serves the Lambda Runtime API of one execution environment
// and matches invocations with the runtime's parked polls.
//
// It knows nothing of instances, versions or routing. A parked GET …/next is a
// free worker, yet the cap on running invocations is kept here, since some
// runtimes poll again before they have answered.
package runtimeapi

import (
	"context"
	"errors"
	"net"
	"time"
)

// Config is fixed for the life of an environment.
type Config struct {
	FunctionARN                           string        // sent when an Invocation names none
	Timeout                               time.Duration // used when an Invocation names none
	Function, Version, Handler, AccountID string        // for extensions that register
	MaxConcurrency                        int           // at most so many invocations run at once; least 1
	Bridge                                time.Duration // DefaultBridge when 0; negative: do not wait for a poll
	Late                                  LatePolicy
	// InTurn gives events to the workers in turn, by the oldest poll; else the
	// newest poll gets the next one.
	InTurn bool
	// Ordinary marks a function that is not on managed instances: its extensions
	// may register for INVOKE, and older schemas of the Telemetry API are known.
	Ordinary bool
	// JSONLogs says that the function's log format is JSON: subscribers get such
	// lines as objects.
	JSONLogs bool
	// Dial connects to a telemetry destination from inside the environment; nil:
	// from here.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// OnSubscribe is told of each telemetry subscription; may be nil.
	OnSubscribe func(extension string, types []string)
	// OnLate is told of each answer that came after its timeout; may be nil.
	OnLate func(requestID, userAgent string)
}

// DefaultBridge is how long an invocation waits for a worker that is between
// its answer and its next poll (DESIGN.md 6).
const DefaultBridge = 250 * time.Millisecond

// LatePolicy says how an answer after the timeout is answered.
type LatePolicy int

// The policies. AWS always answers 410, of which aws-lambda-go (to v1.55.1)
// ends its whole process; so its user agent gets 202 by default, a deliberate deviation.
const (
	LateByAgent LatePolicy = iota // 202 to aws-lambda-go, 410 to the others
	LateGone                      // 410 to all, as on AWS
	LateAccept                    // 202 to all
)

// Invocation is one event for the runtime.
type Invocation struct {
	RequestID       string
	FunctionARN     string // with the qualifier as invoked
	TraceID         string
	ClientContext   string // decoded JSON
	CognitoIdentity string // JSON
	TenantID        string
	ContentType     string        // "" means application/json
	Timeout         time.Duration // counted from the hand-over to a worker
	Stream          bool          // a streaming runtime's response is wanted as it comes
	Body            []byte        // not retained after the hand-over
}

// Status is how an invocation ended.
type Status int

// The ways an invocation ends.
const (
	StatusOK            Status = iota
	StatusFunctionError        // the runtime posted an error, or an unusable answer
	StatusTimeout              // Sandbox.Timedout; the worker runs on
	StatusFailed               // the runtime process ended (Fail)
)

// Result is what the caller of the function gets. Everything but StatusOK is a
// function error: HTTP 200 with X-Amz-Function-Error.
type Result struct {
	Status      Status
	ErrorType   string // the platform's type, e.g. Runtime.Unknown; "" when OK
	ContentType string
	Body        []byte
	// Streamed tells that the runtime chose streaming mode. Stream is then the
	// response of an Invocation that wants it so; all others have it in Body.
	Streamed bool
	Stream   *Stream
	Produced int64         // bytes of the response, streamed or not
	Duration time.Duration // from hand-over to answer
	// Handed is when a worker had the event, Answered when its answer began; zero
	// where there was none.
	Handed, Answered time.Time
}

// Reasons for which an invocation was not handed over; nothing has run, so
// another environment may be tried.
var (
	ErrBusy      = errors.New("Runtime.Unavailable: no slot or no worker is free")
	ErrDuplicate = errors.New("Client.DuplicatedInvokeId: the request id is running already")
	ErrNotReady  = errors.New("Client.InitIncomplete: init is not complete")
	ErrEnded     = errors.New("Client.ExecutionEnvironmentUnhealthy: the environment has ended")
)

// InitError is what the runtime posted to /init/error.
type InitError struct {
	Type string
	Body []byte
}
