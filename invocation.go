package lamina

import (
	"encoding/json"
	"io"
	"time"
)

// Invocation is one synchronous invocation whose target is resolved: what the
// Lambda API hands to the router.
type Invocation struct {
	VersionKey    string // store key of the version that runs it
	FunctionKey   string // of its function, whose versions share its reserved concurrency
	Reserved      *int32 // invocations of the function at once, over all its versions; nil: no limit
	Account       string // whose unreserved concurrency it takes, account and region; empty: none (managed, or reserved)
	Unreserved    int32  // of Account: invocations at once
	RequestID     string
	FunctionARN   string // as the caller named it, with its qualifier
	TraceID       string // as sent in X-Amzn-Trace-Id, or a new one
	ClientContext string // JSON; empty: none
	ContentType   string
	Timeout       time.Duration // of the function
	ColdStart     time.Duration // how long to wait for an environment to start; 0 for managed functions: a slot or 429 at once
	Tail          bool          // of an ordinary function: the answer shall carry the end of the log
	Payload       []byte        // the event
	Sink          Sink          // takes a streaming function's response; nil: all of it is wanted in the answer
}

// Answer is what a function, or its death, said to an Invocation.
type Answer struct {
	FunctionError bool   // X-Amz-Function-Error: Unhandled
	ErrorType     string // with FunctionError: the runtime's or the platform's, e.g. Sandbox.Timedout
	ContentType   string
	Streamed      bool // the Sink has the response; Payload is an error that came after it
	Payload       []byte
	LogTail       string // the last 4 KiB of the log when it was asked for
	EnvironmentID string
}

// ErrorPayload is the payload of an invocation that the platform failed.
func ErrorPayload(errorType, message string) []byte {
	b, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{errorType, message})
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}

// Sink takes the response of a streaming function while it comes. Nothing is
// kept in between: the function waits for it. A sink that fails is left alone,
// and the invocation runs on to its end, since its slot is taken until then.
type Sink interface {
	// Begin comes once, when the function has begun to answer.
	Begin(contentType string) error
	io.Writer
}
