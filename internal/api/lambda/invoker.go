package lambda

import (
	"context"
	"io"
	"time"
)

// Invoker runs one invocation on an environment of a version. When no slot is
// free it answers Throttled().
type Invoker interface {
	Invoke(ctx context.Context, r InvokeRequest) (InvokeResult, error)
}

// InvokeRequest is one synchronous invocation whose target is resolved.
type InvokeRequest struct {
	VersionKey    string // store key of the version that runs it
	FunctionKey   string // store key of its function
	FunctionARN   string // as the caller named it
	Managed       bool   // on managed instances: a slot or 429 at once; else a cold start is waited for
	RequestID     string
	Timeout       time.Duration
	ColdStart     time.Duration // how long to wait for an environment; 0 when Managed
	Payload       []byte        // valid JSON
	ClientContext []byte        // decoded JSON; nil: none
	TraceID       string        // X-Amzn-Trace-Id as sent; empty: none
	ContentType   string
	Tail          bool   // the caller wants the end of the log
	Reserved      *int32 // the function's reserved concurrency; nil: none
	Sink          Sink   // takes a streaming function's response; nil: all of it is wanted in the result
}

// Sink takes a response as it comes. The function waits for Write.
type Sink interface {
	Begin(contentType string) error // once, when the function has begun to answer
	io.Writer
}

// InvokeResult is what the function answered.
type InvokeResult struct {
	Payload       []byte
	FunctionError string // "" or "Unhandled"
	ErrorType     string // with FunctionError: the runtime's or the platform's, e.g. Sandbox.Timedout
	Streamed      bool   // the Sink has the response; Payload is an error that came after it
	ContentType   string
	LogTail       []byte // the last 4 KiB of the log when Tail was asked for
}
