package runtimestest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
)

var serial atomic.Int64

// Call invokes the function; mod changes the invocation first.
func (f *Environment) Call(event string, mod ...func(*runtimeapi.Invocation)) runtimeapi.Result {
	f.t.Helper()
	inv := &runtimeapi.Invocation{RequestID: fmt.Sprintf("req-%d", serial.Add(1)), Body: []byte(event)}
	for _, m := range mod {
		m(inv)
	}
	res, err := f.Invoke(context.Background(), inv)
	if err != nil {
		f.t.Errorf("%s: %v", inv.RequestID, err)
	}
	return res
}

// ID gives an invocation its request id.
func ID(id string) func(*runtimeapi.Invocation) {
	return func(inv *runtimeapi.Invocation) { inv.RequestID = id }
}

// Want checks the body of a good answer.
func (f *Environment) Want(event, body string, mod ...func(*runtimeapi.Invocation)) {
	f.t.Helper()
	res := f.Call(event, mod...)
	if res.Status != runtimeapi.StatusOK || string(res.Body) != body {
		f.t.Errorf("%s: %d %s %s, want %s", event, res.Status, res.ErrorType, res.Body, body)
	}
}

// WantCrash invokes what takes its worker's life and checks how it is reported:
// how follows "Runtime", e.g. "exited with error: exit status 7".
func (f *Environment) WantCrash(event, id, how string) runtimeapi.Result {
	f.t.Helper()
	res := f.Call(event, ID(id))
	want := fmt.Sprintf("RequestId: %s Error: Runtime %s", id, how)
	if e := Parse(f.t, res.Body); res.ErrorType != "Runtime.ExitError" || e.ErrorMessage != want || e.ErrorType != "Runtime.ExitError" {
		f.t.Errorf("%s: %s %s", event, res.ErrorType, res.Body)
	}
	return res
}

// Failure is the body of a function's error; languages call the frames differently.
type Failure struct {
	ErrorType, ErrorMessage, RequestID string
	StackTrace, Trace                  []string
	Cause                              *Failure
}

// Parse reads the body of a function's error.
func Parse(t testing.TB, body []byte) Failure {
	t.Helper()
	var e Failure
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	return e
}

// Quote makes a string a JSON text.
func Quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
