package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The numbers are those of the conformance checklist of the Runtime API
// (docs, "a conformant multi-concurrent Runtime API server must …").

func TestPoint01_ManyParkedPolls(t *testing.T) {
	const n = 64
	e := serve(t, Config{MaxConcurrency: n})
	ws := e.parked(n)
	var calls []<-chan ended
	for i := range n {
		calls = append(calls, e.start(fmt.Sprintf("r%d", i)))
	}
	seen := map[string]bool{}
	for _, w := range ws {
		id, a := w.event()
		if seen[id] || a.body != `{"id":"`+id+`"}` {
			t.Errorf("event %s: body %s, seen before: %v", id, a.body, seen[id])
		}
		seen[id] = true
		w.respond(id, "out-"+id).expect(t, 202, accepted)
	}
	for i, c := range calls {
		if r := <-c; r.err != nil || string(r.res.Body) != fmt.Sprintf("out-r%d", i) {
			t.Errorf("call %d: %+v", i, r)
		}
	}
}

func TestPoint02_FirstPollEndsInit(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 16})
	if _, err := e.Invoke(t.Context(), &Invocation{RequestID: "a"}); !errors.Is(err, ErrNotReady) {
		t.Errorf("before init: %v", err)
	}
	e.parked(1)
	select {
	case <-e.Ready():
	case <-time.After(20 * time.Second):
		t.Error("one poll did not end init")
	}
}

func TestPoint03_CapHoldsWhenClientsPollEarly(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2})
	ws := e.parked(5)
	a, b := e.start("a"), e.start("b")
	ws[0].event()
	ws[1].event()
	if _, err := e.Invoke(t.Context(), &Invocation{RequestID: "c"}); !errors.Is(err, ErrBusy) {
		t.Errorf("third invoke with cap 2 and 3 parked polls: %v", err)
	}
	w := e.worker()
	w.respond("a", "1").expect(t, 202, accepted)
	<-a
	c := e.start("c")
	ws[2].event()
	w.respond("b", "2").expect(t, 202, accepted)
	w.respond("c", "3").expect(t, 202, accepted)
	<-b
	if r := <-c; r.err != nil {
		t.Error(r.err)
	}
	if n := e.InFlight(); n != 0 {
		t.Errorf("in flight at the end: %d", n)
	}
}

func TestPoint04_TimedOutKeepsItsSlot(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2, Bridge: -1})
	ws := e.parked(2)
	a, b := e.start("a", within(30*time.Millisecond)), e.start("b", within(30*time.Millisecond))
	ws[0].event()
	ws[1].event()
	<-a
	<-b
	e.worker().poll() // an early poll makes no difference
	if _, err := e.Invoke(t.Context(), &Invocation{RequestID: "c"}); !errors.Is(err, ErrBusy) {
		t.Errorf("invoke while both workers are stuck: %v", err)
	}
	ws[0].respond("a", "late").expect(t, 410, "InvokeTimeout")
	if e.InFlight() != 1 {
		t.Errorf("in flight after one late answer: %d", e.InFlight())
	}
}

// A worker that asks for more, or whose connection ends, does not answer what it
// was given before; that is believed of runtimes whose workers have a connection each.
func TestPoint04_WorkerThatMovesOn(t *testing.T) {
	moves := map[string]func(*worker){
		"polls again": func(w *worker) { w.poll() },
		"ends":        func(w *worker) { w.conn.Close() },
	}
	for name, move := range moves {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, before its time is up: %v", name, early), func(t *testing.T) {
				e := serve(t, Config{MaxConcurrency: 1})
				w := e.parked(1)[0]
				answered := e.start("first")
				w.event()
				w.respond("first", "1").expect(t, 202, accepted)
				<-answered
				w.poll()
				limit := 20 * time.Millisecond
				if early {
					limit = time.Second
				}
				a := e.start("a", within(limit))
				w.event()
				if early {
					move(w)
				}
				if r := <-a; r.res.Status != StatusTimeout {
					t.Errorf("%+v", r)
				}
				if !early {
					if e.InFlight() != 1 {
						t.Errorf("in flight after the timeout: %d", e.InFlight())
					}
					move(w)
				}
				e.until("the slot is free", func() bool { return e.InFlight() == 0 })
			})
		}
	}
}

// Clients that share connections poll on one over which a handler's event came
// that still runs.
func TestPoint04_SharedConnectionsProveNothing(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2, Bridge: -1})
	ws := e.parked(2)
	first := e.start("first")
	ws[0].event()
	e.worker().respond("first", "1").expect(t, 202, accepted)
	<-first
	a := e.start("a", within(20*time.Millisecond))
	ws[1].event()
	<-a
	ws[1].poll()
	e.until("it polls", func() bool { return e.Idle() == 1 })
	if e.InFlight() != 1 {
		t.Errorf("in flight while a handler may run: %d", e.InFlight())
	}
}

func TestPoint05_DeadPollIsNeverFed(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 4})
	for i := range 50 {
		ws := e.parked(2)
		ws[0].conn.Close() // no wait: the close may not have been noticed yet
		id := fmt.Sprint("r", i)
		c := e.start(id)
		got, _ := ws[1].event()
		ws[1].respond(got, "x").expect(t, 202, accepted)
		if r := <-c; r.err != nil || r.res.Status != StatusOK {
			t.Fatalf("round %d: %+v", i, r)
		}
		e.until("dead poll dropped", func() bool { return e.Idle() == 0 })
	}
}

func TestPoint05_OnlyDeadPolls(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1, Bridge: 20 * time.Millisecond})
	ws := e.parked(1)
	ws[0].conn.Close()
	if _, err := e.Invoke(t.Context(), &Invocation{RequestID: "a"}); !errors.Is(err, ErrBusy) {
		t.Errorf("invoke with one dead poll: %v", err)
	}
	if e.InFlight() != 0 {
		t.Errorf("slot lost: %d", e.InFlight())
	}
}

func TestPoint06_HalfWrittenEventIsRedelivered(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2})
	ws := e.parked(2)
	big := func(inv *Invocation) { inv.Body = []byte(strings.Repeat("x", 32<<20)) }
	c := e.start("a", big)
	// The first worker reads a little, then dies with the event half sent.
	var b [512]byte
	n, err := ws[0].conn.Read(b[:])
	if err != nil {
		t.Fatal(err)
	}
	ws[0].conn.(*net.TCPConn).SetLinger(0)
	ws[0].conn.Close()
	id, a := ws[1].event()
	second := a.Header.Get("Lambda-Runtime-Invocation-Id")
	if len(a.body) != 32<<20 || second == "" || strings.Contains(string(b[:n]), second) {
		t.Errorf("redelivery: %d bytes, id %q, first got %q", len(a.body), second, b[:n])
	}
	ws[1].respond(id, "done").expect(t, 202, accepted)
	if r := <-c; r.err != nil || string(r.res.Body) != "done" {
		t.Errorf("%+v", r)
	}
}

func TestPoint07_BridgesTheGap(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	for i := range 20 {
		c := e.start(fmt.Sprint("r", i))
		id, _ := w.event()
		w.respond(id, "x")
		<-c
		next := e.start(fmt.Sprint("s", i)) // before the worker polls again
		e.until("waiting", func() bool { return e.InFlight() == 1 })
		w.poll()
		id, _ = w.event()
		w.respond(id, "y")
		if r := <-next; r.err != nil {
			t.Fatal(r.err)
		}
		w.poll()
		e.until("parked", func() bool { return e.Idle() == 1 })
	}
}

func TestPoint07_BridgeIsBounded(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2, Bridge: 30 * time.Millisecond})
	w := e.parked(1)[0]
	c := e.start("a")
	w.event()
	start := time.Now()
	_, err := e.Invoke(t.Context(), &Invocation{RequestID: "b"})
	if d := time.Since(start); !errors.Is(err, ErrBusy) || d < 30*time.Millisecond {
		t.Errorf("after %v: %v", d, err)
	}
	w.respond("a", "x")
	<-c
}

func TestPoint08_FirstInFirstOut(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 8})
	ws := e.parked(8)
	for i, w := range ws {
		id := fmt.Sprint("r", i)
		c := e.start(id)
		if got, _ := w.event(); got != id {
			t.Errorf("poll %d got %s", i, got)
		}
		w.respond(id, "")
		<-c
	}
}

func TestPoint09_DuplicateRequestID(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2})
	ws := e.parked(2)
	c := e.start("a")
	ws[0].event()
	if _, err := e.Invoke(t.Context(), &Invocation{RequestID: "a"}); !errors.Is(err, ErrDuplicate) {
		t.Errorf("second run of one id: %v", err)
	}
	ws[0].respond("a", "x")
	<-c
}

func TestPoint10_EventHeaders(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2, FunctionARN: "arn:default", Timeout: 7 * time.Second})
	ws := e.parked(2)
	before := time.Now()
	c := e.start("bare")
	_, a := ws[0].event()
	after := time.Now()
	for name, want := range map[string]string{
		"Lambda-Runtime-Invoked-Function-Arn": "arn:default",
		"Content-Type":                        "application/json",
		"Content-Length":                      "13",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"Trace-Id", "Client-Context", "Cognito-Identity", "Aws-Tenant-Id"} {
		if v, ok := a.Header["Lambda-Runtime-"+name]; ok {
			t.Errorf("%s sent though empty: %q", name, v)
		}
	}
	ms, err := strconv.ParseInt(a.Header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil || ms < before.Add(7*time.Second).UnixMilli() || ms > after.Add(7*time.Second).UnixMilli() {
		t.Errorf("deadline %d (%v) is not 7 s after %d", ms, err, before.UnixMilli())
	}
	ws[0].respond("bare", "")
	<-c

	c = e.start("full", func(inv *Invocation) {
		*inv = Invocation{RequestID: "full", FunctionARN: "arn:q", TraceID: "Root=1", ClientContext: `{"a":1}`,
			CognitoIdentity: `{"c":2}`, TenantID: "t", ContentType: "text/x"}
	})
	_, a = ws[1].event()
	for name, want := range map[string]string{
		"Invoked-Function-Arn": "arn:q", "Trace-Id": "Root=1", "Client-Context": `{"a":1}`,
		"Cognito-Identity": `{"c":2}`, "Aws-Tenant-Id": "t",
	} {
		if got := a.Header.Get("Lambda-Runtime-" + name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.Header.Get("Content-Type") != "text/x" || a.ContentLength != 0 {
		t.Errorf("content type %q, length %d", a.Header.Get("Content-Type"), a.ContentLength)
	}
	ws[1].respond("full", "")
	<-c
}

func TestPoint11_InvocationIDGuard(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a")
	_, a := w.event()
	nonce := a.Header.Get("Lambda-Runtime-Invocation-Id")
	w.respond("a", "stale", "Lambda-Runtime-Invocation-Id: other").expect(t, 410, "InvokeTimeout")
	w.post("invocation/a/error", "{}", "Lambda-Runtime-Invocation-Id: other").expect(t, 410, "InvokeTimeout")
	w.respond("a", "mine", "lambda-runtime-invocation-id: "+nonce).expect(t, 202, accepted)
	if r := <-c; string(r.res.Body) != "mine" {
		t.Errorf("%+v", r)
	}
}

func TestPoint12_13_AnswersAndDuplicates(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	w2 := e.worker()
	w2.respond("never", "x").expect(t, 400, `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`+"\n")
	c := e.start("a")
	w.event()
	resp := w.respond("a", "first")
	resp.expect(t, 202, accepted)
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q", ct)
	}
	w.respond("a", "second").expect(t, 400, "InvalidRequestID")
	w.post("invocation/a/error", "{}").expect(t, 400, "InvalidRequestID")
	if r := <-c; string(r.res.Body) != "first" || r.res.ContentType != "application/octet-stream" {
		t.Errorf("%+v", r)
	}
}

func TestPoint14_15_LateAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy LatePolicy
		agent  string
		status int
	}{
		{"python by default", LateByAgent, "awslambdaric/4", 410},
		{"go by default", LateByAgent, "aws-lambda-go/1.26", 202},
		{"go as on AWS", LateGone, "aws-lambda-go/1.26", 410},
		{"all accepted", LateAccept, "awslambdaric/4", 202},
	} {
		t.Run(tt.name, func(t *testing.T) {
			late := make(chan string, 4)
			e := serve(t, Config{MaxConcurrency: 1, Late: tt.policy, OnLate: func(id, agent string) { late <- id + " " + agent }})
			w := e.parked(1)[0]
			c := e.start("a", within(20*time.Millisecond))
			w.event()
			<-c
			w.respond("a", strings.Repeat("x", 1<<20), "User-Agent: "+tt.agent).expect(t, tt.status, "")
			if got := <-late; got != "a "+tt.agent {
				t.Errorf("told of %q", got)
			}
			w.respond("a", "x").expect(t, 400, "InvalidRequestID")
		})
	}
}

func TestPoint16_ResponseMode(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 3})
	ws := e.parked(3)
	for i, mode := range []string{"buffered", "Streaming", "streaming"} {
		id := fmt.Sprint("r", i)
		c := e.start(id)
		ws[i].event()
		a := ws[i].respond(id, "x", "Lambda-Runtime-Function-Response-Mode: "+mode)
		r := <-c
		if mode == "streaming" {
			a.expect(t, 202, accepted)
			if !r.res.Streamed || r.res.Status != StatusOK {
				t.Errorf("%+v", r)
			}
			continue
		}
		a.expect(t, 400, `{"errorMessage":"Invalid function response mode","errorType":"InvalidFunctionResponseMode"}`)
		if r.res.ErrorType != "Runtime.InvalidResponseModeHeader" || r.res.Status != StatusFunctionError {
			t.Errorf("%s: %+v", mode, r)
		}
	}
}

func TestPoint17_ResponseLimit(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		for _, size := range []int{MaxResponse, MaxResponse + 1, MaxResponse + 5<<20} {
			t.Run(fmt.Sprintf("%d chunked=%v", size, chunked), func(t *testing.T) {
				e := serve(t, Config{MaxConcurrency: 1})
				w := e.parked(1)[0]
				c := e.start("a")
				w.event()
				body := strings.Repeat("x", size)
				var a answer
				if chunked {
					w.send("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
					w.send("%x\r\n%s\r\n0\r\n\r\n", size, body)
					a = w.read()
				} else {
					a = w.respond("a", body)
				}
				r := <-c
				if size == MaxResponse {
					a.expect(t, 202, accepted)
					if len(r.res.Body) != size {
						t.Errorf("body of %d bytes", len(r.res.Body))
					}
					return
				}
				a.expect(t, 413, `{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}`)
				want := fmt.Sprintf(`{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (%d bytes) exceeded maximum allowed payload size (6291556 bytes)."}`, size)
				if string(r.res.Body) != want || r.res.ErrorType != "Function.ResponseSizeTooLarge" {
					t.Errorf("%s", r.res.Body)
				}
			})
		}
	}
}

func TestPoint17_ErrorLimit(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a")
	w.event()
	w.post("invocation/a/error", strings.Repeat("x", MaxError+1)).expect(t, 413, "6291556")
	w.post("invocation/a/error", strings.Repeat("x", MaxError)).expect(t, 202, accepted)
	if r := <-c; len(r.res.Body) != MaxError || r.res.Status != StatusFunctionError {
		t.Errorf("%v, %d bytes", r.res.Status, len(r.res.Body))
	}
	w.post("init/error", strings.Repeat("x", MaxError+1)).expect(t, 413, "6291556")
}

func TestPoint18_TruncatedBody(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a")
	w.event()
	w2 := e.worker()
	w2.send("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	w2.conn.(*net.TCPConn).CloseWrite()
	w2.read().expect(t, 400, `{"errorMessage":"HTTP request detected as truncated","errorType":"TruncatedHTTPRequest"}`)
	if r := <-c; r.res.ErrorType != "Runtime.TruncatedResponse" {
		t.Errorf("%+v", r)
	}
}

func TestPoint19_StalledBodyIsBoundedByTheDeadline(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a", within(100*time.Millisecond))
	w.event()
	w.send("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	if r := <-c; r.res.Status != StatusTimeout {
		t.Errorf("%+v", r)
	}
	w.read().expect(t, 410, "InvokeTimeout")
	e.until("slot freed", func() bool { return e.InFlight() == 0 })
}

// An answer whose second half comes when the time is up costs its connection nothing.
func TestPoint19_LateHalfOfABody(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a", within(50*time.Millisecond))
	w.event()
	w.send("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	if r := <-c; r.res.Status != StatusTimeout {
		t.Errorf("%+v", r)
	}
	w.send("0\r\n\r\n")
	w.read().expect(t, 410, "InvokeTimeout")
	w.poll()
	e.until("the worker polls again", func() bool { return e.Idle() == 1 && e.InFlight() == 0 })
	c = e.start("b")
	w.event()
	w.send("POST /2018-06-01/runtime/invocation/b/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1")
	w.read().expect(t, 202, accepted)
	if r := <-c; string(r.res.Body) != "1" {
		t.Errorf("%+v", r)
	}
}

func TestPoint20_ErrorTrailers(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a")
	w.event()
	w.send("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n" +
		"3\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Broke\r\nLambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n\r\n")
	w.read().expect(t, 202, accepted)
	if r := <-c; r.res.Status != StatusFunctionError || r.res.ErrorType != "Function.Broke" || string(r.res.Body) != `{"a":1}` {
		t.Errorf("%+v", r)
	}
}

func TestPoint21_ErrorTypes(t *testing.T) {
	for in, want := range map[string]string{
		"Runtime.ImportModuleError": "Runtime.ImportModuleError",
		"Function.Mine":             "Function.Mine",
		"xRuntime.Foo":              "xRuntime.Foo",
		"Function.mine":             "Function.Unknown",
		"Function.":                 "Function.Unknown",
		"Runtime.9":                 "Runtime.Unknown",
		"TypeError":                 "Runtime.Unknown",
		"unhandled":                 "Runtime.Unknown",
		"":                          "Runtime.Unknown",
	} {
		if got := filterErrorType(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a")
	w.event()
	w.post("invocation/a/error", "not even json", "Lambda-Runtime-Function-Error-Type: TypeError").expect(t, 202, accepted)
	if r := <-c; r.res.Status != StatusFunctionError || r.res.ErrorType != "Runtime.Unknown" || string(r.res.Body) != "not even json" {
		t.Errorf("%+v", r)
	}
}

func TestPoint22_Timeout(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2})
	ws := e.parked(2)
	other := e.start("other")
	ws[0].event()
	start := time.Now()
	c := e.start("slow", within(130*time.Millisecond))
	ws[1].event()
	r := <-c
	if d := time.Since(start); d < 130*time.Millisecond {
		t.Errorf("timed out after %v", d)
	}
	want := `{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 0.13 seconds"}`
	if r.res.Status != StatusTimeout || r.res.ErrorType != "Sandbox.Timedout" || string(r.res.Body) != want {
		t.Errorf("%+v", r)
	}
	ws[0].respond("other", "fine").expect(t, 202, accepted)
	if r := <-other; string(r.res.Body) != "fine" {
		t.Errorf("%+v", r)
	}
}

func TestPoint23_RuntimeExit(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 3})
	ws := e.parked(3)
	a, b := e.start("a"), e.start("b")
	ws[0].event()
	ws[1].event()
	e.Fail("Runtime.ExitError", "Runtime exited with error: exit status 1")
	e.Fail("Runtime.OutOfMemory", "too late")
	for id, c := range map[string]<-chan ended{"a": a, "b": b} {
		want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited with error: exit status 1"}`
		if r := <-c; r.err != nil || r.res.Status != StatusFailed || string(r.res.Body) != want {
			t.Errorf("%s: %+v %s", id, r, r.res.Body)
		}
	}
	ws[2].read().expect(t, 500, "InternalServerError")
	if _, err := e.Invoke(t.Context(), &Invocation{RequestID: "c"}); !errors.Is(err, ErrEnded) {
		t.Errorf("invoke afterwards: %v", err)
	}
	ws[0].respond("a", "x").expect(t, 400, "InvalidRequestID")
}

func TestPoint24_InitError(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2})
	w := e.worker()
	body := `{"errorMessage":"m","errorType":"Runtime.ImportModuleError"}`
	w.post("init/error", body, "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError").expect(t, 202, accepted)
	w.post("init/error", "{}").expect(t, 403, `{"errorMessage":"State transition from InitError to InitError failed for runtime. Error: state transition is not allowed","errorType":"InvalidStateTransition"}`)
	<-e.InitFailed()
	if ie := e.InitError(); ie.Type != "Runtime.ImportModuleError" || string(ie.Body) != body {
		t.Errorf("%+v", ie)
	}
	w.poll()
	w.read().expect(t, 403, "InvalidStateTransition")
	if _, err := e.Invoke(t.Context(), &Invocation{RequestID: "c"}); !errors.Is(err, ErrEnded) {
		t.Errorf("invoke afterwards: %v", err)
	}
}

func TestPoint27_CloseReleasesPolls(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	e.Close()
	b := make([]byte, 64)
	w.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := w.conn.Read(b); n > 0 && strings.Contains(string(b[:n]), "200") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%q %v", b[:n], err)
	}
}

func TestPoint32_Paths(t *testing.T) {
	e := serve(t, Config{})
	w := e.worker()
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/2018-06-01/ping", 200, "pong"},
		{"POST", "/2018-06-01/ping", 405, ""},
		{"POST", "/2018-06-01/runtime/invocation/next", 405, ""},
		{"GET", "/2018-06-01/runtime/invocation/x/response", 405, ""},
		{"PUT", "/2018-06-01/runtime/init/error", 405, ""},
		{"GET", "/2018-06-01/runtime/restore/next", 404, "404 page not found\n"},
		{"PUT", "/2020-08-15/logs", 404, "404 page not found\n"},
		{"GET", "/", 404, "404 page not found\n"},
		{"POST", "/2018-06-01/runtime/invocation//response", 404, "404 page not found\n"},
		{"POST", "/2018-06-01/runtime/invocation/a/b/response", 404, "404 page not found\n"},
	} {
		w.send("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", tt.method, tt.path)
		if a := w.read(); a.StatusCode != tt.status || a.body != tt.body {
			t.Errorf("%s %s: %d %q", tt.method, tt.path, a.StatusCode, a.body)
		}
	}
}

func TestPoint33_OddClients(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	// A new connection for every call, odd header case, a cause header near 1 MiB.
	cause := "lambda-runtime-function-xray-error-cause: " + strings.Repeat("x", 1_000_000)
	for i := range 3 {
		id := fmt.Sprint("r", i)
		w := e.worker()
		w.poll()
		<-e.Ready()
		c := e.start(id)
		w.event()
		w.conn.Close()
		w = e.worker()
		w.post("invocation/"+id+"/error", "{}", "LAMBDA-runtime-function-error-type: Function.Odd", cause).expect(t, 202, accepted)
		w.conn.Close()
		if r := <-c; r.res.ErrorType != "Function.Odd" {
			t.Errorf("%+v", r)
		}
	}
}

func TestCallerGoneKeepsTheSlot(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := e.Invoke(ctx, &Invocation{RequestID: "a"})
		done <- err
	}()
	w.event()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if e.InFlight() != 1 {
		t.Errorf("in flight: %d", e.InFlight())
	}
	w.respond("a", "x").expect(t, 202, accepted)
	if e.InFlight() != 0 {
		t.Errorf("in flight after the answer: %d", e.InFlight())
	}
}

func TestDrain(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2})
	w := e.parked(1)[0]
	c := e.start("a")
	w.event()
	drained := make(chan error, 1)
	go func() { drained <- e.Drain(t.Context()) }()
	e.until("draining", func() bool {
		sl, err := e.Reserve()
		if err == nil {
			sl.Release()
		}
		return errors.Is(err, ErrEnded)
	})
	w.respond("a", "x")
	<-c
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// The newest poll gets the next event; in turn, the oldest does.
func TestWhichPollGetsTheNextEvent(t *testing.T) {
	for inTurn, first := range map[bool]int{false: 0, true: 2} { // of parked's, the newest first
		e := serve(t, Config{MaxConcurrency: 3, InTurn: inTurn})
		ws := e.parked(3)
		done := e.start("a")
		if id, _ := ws[first].event(); id != "a" {
			t.Errorf("in turn %v: got event %q", inTurn, id)
		}
		ws[first].respond("a", "{}").expect(t, 202, "")
		<-done
	}
}
