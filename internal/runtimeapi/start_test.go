package runtimeapi

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// told is a Caller.
type told chan ended

func (t told) Answered(res Result, err error) { t <- ended{res, err} }

// begin starts an invocation, which must not wait for anything.
func (e *env) begin(inv *Invocation) told {
	e.t.Helper()
	sl, err := e.Reserve()
	if err != nil {
		e.t.Fatal(err)
	}
	to := make(told, 1)
	since := time.Now()
	sl.Start(inv, to)
	if d := time.Since(since); d > 30*time.Second {
		e.t.Errorf("Start returned after %v", d)
	}
	return to
}

// Whoever starts an invocation while no worker polls goes on: the bridge is
// waited for by nobody, and is as long as for those who wait.
func TestPoint07_NobodyWaitsOnTheBridge(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 4, Bridge: time.Minute})
	w := e.parked(1)[0]
	first, second := e.begin(&Invocation{RequestID: "a"}), e.begin(&Invocation{RequestID: "b"})
	id, _ := w.event()
	w.respond(id, "1").expect(t, 202, accepted)
	w.poll()
	id, _ = w.event()
	w.respond(id, "2").expect(t, 202, accepted)
	for _, c := range []told{first, second} {
		if r := <-c; r.err != nil || r.res.Status != StatusOK {
			t.Errorf("%+v", r)
		}
	}
}

func TestPoint07_StartedIsRefusedAfterTheBridge(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 4, Bridge: 30 * time.Millisecond})
	w := e.parked(1)[0]
	e.begin(&Invocation{RequestID: "a"})
	w.event()
	since := time.Now()
	if r := <-e.begin(&Invocation{RequestID: "b"}); !errors.Is(r.err, ErrBusy) || time.Since(since) < 30*time.Millisecond {
		t.Errorf("after %v: %+v", time.Since(since), r)
	}
	if e.InFlight() != 1 {
		t.Errorf("in flight: %d", e.InFlight())
	}
}

// A worker that polls and polls and reads nothing keeps nobody waiting: once its
// socket is full its connection is closed, and the events go to others.
func TestPoint05_WorkerThatReadsNothing(t *testing.T) {
	const events = 1500
	e := serve(t, Config{MaxConcurrency: events, Bridge: -1})
	hostile := e.worker()
	go func() { // ends when the connection does
		for {
			if _, err := io.WriteString(hostile.conn, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				return
			}
		}
	}()
	e.until("parked", func() bool { return e.Idle() == 1 })
	body := []byte(strings.Repeat("x", 14<<10))
	for i := range events {
		if to := e.begin(&Invocation{RequestID: fmt.Sprint(i), Timeout: time.Minute, Body: body}); len(to) > 0 {
			if r := <-to; !errors.Is(r.err, ErrBusy) {
				t.Fatalf("%+v", r)
			}
			break
		}
		if i == events-1 {
			t.Fatal("its socket never was full")
		}
		e.until("the worker polls again or is gone", func() bool { return e.Idle() == 1 || e.open() == 0 })
	}
	e.until("closed", func() bool { return e.open() == 0 })
	go e.worker().echo()
	e.until("parked", func() bool { return e.Idle() == 1 })
	if r := <-e.begin(&Invocation{RequestID: "next", Body: body}); r.err != nil || len(r.res.Body) != len(body) {
		t.Errorf("%+v", r)
	}
}

func (e *env) open() int {
	e.conns.mu.Lock()
	defer e.conns.mu.Unlock()
	return len(e.conns.open)
}

// The largest event that counts as small is one that a fresh socket holds.
func TestSmall(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	inv := &Invocation{RequestID: "id", FunctionARN: strings.Repeat("a", 200), TraceID: strings.Repeat("t", 200), ClientContext: strings.Repeat("c", 3500), TenantID: "n", CognitoIdentity: "{}", ContentType: "text/plain"}
	for inv.Small() {
		inv.Body = append(inv.Body, 'x')
	}
	inv.Body = inv.Body[1:]
	if !inv.Small() || len(inv.Body) < largeEvent/2 {
		t.Fatalf("%d bytes", len(inv.Body))
	}
	to := e.begin(inv)
	id, a := w.event()
	var head strings.Builder
	_ = a.Header.Write(&head)
	if n := head.Len() + len("HTTP/1.1 200 OK\r\nContent-Length: 00000\r\n\r\n") + len(a.body); n >= largeEvent || len(a.body) != len(inv.Body) {
		t.Errorf("%d bytes", n)
	}
	w.respond(id, "").expect(t, 202, accepted)
	if r := <-to; r.err != nil {
		t.Error(r.err)
	}
}
