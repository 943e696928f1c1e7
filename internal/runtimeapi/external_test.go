package runtimeapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// join registers an extension that was expected, for events.
func (e *env) join(name string, events ...string) string {
	e.t.Helper()
	body, _ := json.Marshal(map[string][]string{"events": events})
	a := e.worker().extension("POST", "register", string(body), "Lambda-Extension-Name: "+name)
	a.expect(e.t, 200, `"functionName":"f"`)
	return a.Header.Get("Lambda-Extension-Identifier")
}

// nextEvent asks on a connection of its own.
func (e *env) nextEvent(id string) *worker {
	x := e.worker()
	x.ask("GET", "event/next", "", identified(id))
	return x
}

func (e *env) stateOf(name string) string {
	for _, x := range e.ListExtensions() {
		if x.Name == name {
			return x.State
		}
	}
	return ""
}

// event reads an extension's event.
func (w *worker) extensionEvent() (event struct {
	EventType, RequestID, InvokedFunctionARN, ShutdownReason string
	DeadlineMs                                               int64
	Tracing                                                  *struct{ Type, Value string }
}) {
	w.t.Helper()
	a := w.read()
	a.expect(w.t, 200, "eventType")
	if a.Header.Get("Lambda-Extension-Event-Identifier") == "" {
		w.t.Error("an event without an identifier")
	}
	if err := json.Unmarshal([]byte(a.body), &event); err != nil {
		w.t.Error(err)
	}
	return event
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Checklist points 2, 26 and 29: external extensions come first, gate the
// environment, and get SHUTDOWN after the runtime is gone.
func TestExternalExtensions(t *testing.T) {
	e := serveF(t)
	e.ExpectExtensions([]string{"a", "b"})
	a := e.join("a", "SHUTDOWN")
	if closed(e.ExtensionsRegistered()) {
		t.Error("one is still missing")
	}
	e.worker().extension("POST", "register", `{"events":[]}`, "Lambda-Extension-Name: a").
		expect(t, 403, "State transition from Registered to Registered failed for extension a. Error: state transition is not allowed")
	b := e.join("b")
	<-e.ExtensionsRegistered()
	w := e.parked(1)[0]
	<-e.RuntimePolled()
	xa := e.nextEvent(a)
	e.until("a ready", func() bool { return e.stateOf("a") == "Ready" })
	if closed(e.Ready()) {
		t.Error("ready without b")
	}
	xb := e.nextEvent(b)
	<-e.Ready()
	e.nextEvent(a).read().expect(t, 403, "State transition from Ready to Ready failed for extension a.")
	done := e.start("r")
	id, _ := w.event()
	w.respond(id, "1").expect(t, 202, accepted)
	<-done
	e.Fail("Runtime.ExitError", "gone")
	if e.stateOf("a") != "Ready" {
		t.Errorf("a is %s after the runtime's end", e.stateOf("a"))
	}
	deadline := time.Now().Add(2 * time.Second)
	if got := e.Shutdown("failure", deadline); !slices.Equal(got, []string{"b"}) {
		t.Errorf("not told: %q", got)
	}
	if got := xa.extensionEvent(); got.EventType != "SHUTDOWN" || got.ShutdownReason != "failure" || got.DeadlineMs != deadline.UnixMilli() {
		t.Errorf("%+v", got)
	}
	e.ExtensionEnded("a", "Extension.Crash", "too late to matter")
	e.Close()
	if n, err := xb.r.Read(make([]byte, 1)); err == nil {
		t.Errorf("b got %d bytes", n)
	}
	if closed(e.ExtensionFailed()) {
		t.Error("an end that was asked for is no fault")
	}
}

// An extension that is not waiting when its environment ends gets the event as
// soon as it asks.
func TestShutdownWaitsForTheExtensionToAsk(t *testing.T) {
	e := serveF(t)
	e.ExpectExtensions([]string{"a"})
	a := e.join("a", "SHUTDOWN")
	e.Shutdown("spindown", time.Now().Add(time.Second))
	if got := e.nextEvent(a).extensionEvent(); got.ShutdownReason != "spindown" {
		t.Errorf("%+v", got)
	}
}

// Checklist point 23 for extensions: the first fault stands.
func TestExtensionCrash(t *testing.T) {
	e := serveF(t)
	e.ExpectExtensions([]string{"a", "b"})
	e.ExtensionEnded("a", "Extension.Crash", "exit status 1")
	e.ExtensionEnded("b", "Extension.LaunchError", "too late")
	<-e.ExtensionFailed()
	if got := e.ExtensionError(); got.Type != "Extension.Crash" || !strings.Contains(string(got.Body), "exit status 1") {
		t.Errorf("%+v", got)
	}
}

// Ordinary functions: an extension may register for INVOKE, gets the event with
// the runtime, and holds the environment until it asks for the next one.
func TestInvokeEvents(t *testing.T) {
	e := serve(t, Config{Function: "f", Ordinary: true, FunctionARN: "arn:f"})
	e.ExpectExtensions([]string{"external"})
	ids := map[string]string{"external": e.join("external", "INVOKE", "SHUTDOWN"), "internal": e.join("internal", "INVOKE"), "idle": e.join("idle")}
	e.worker().extension("POST", "register", `{"events":["SHUTDOWN"]}`, "Lambda-Extension-Name: x").
		expect(t, 403, "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension")
	xs := map[string]*worker{}
	for name, id := range ids {
		xs[name] = e.nextEvent(id)
	}
	w := e.parked(1)[0]
	<-e.Ready()
	for i := range 3 {
		id := fmt.Sprint("r", i)
		done := e.start(id, within(5*time.Second), func(inv *Invocation) { inv.TraceID = "Root=1;Sampled=1" })
		got, a := w.event()
		for _, name := range []string{"external", "internal"} {
			event := xs[name].extensionEvent()
			if event.EventType != "INVOKE" || event.RequestID != id || event.InvokedFunctionARN != "arn:f" || event.Tracing == nil || event.Tracing.Value != "Root=1;Sampled=1" ||
				fmt.Sprint(event.DeadlineMs) != a.Header.Get("Lambda-Runtime-Deadline-Ms") {
				t.Errorf("%s: %+v", name, event)
			}
		}
		w.respond(got, `"out"`).expect(t, 202, accepted)
		if r := <-done; r.err != nil || string(r.res.Body) != `"out"` {
			t.Fatalf("%+v", r)
		}
		w.poll()
		e.until("parked", func() bool { return e.Idle() == 1 })
		for _, name := range []string{"external", "internal"} {
			if _, err := e.Reserve(); err != ErrBusy {
				t.Errorf("%s is still at work: %v", name, err)
			}
			xs[name].ask("GET", "event/next", "", identified(ids[name]))
			e.until(name+" ready", func() bool { return e.stateOf(name) == "Ready" })
		}
	}
	if closed(e.ExtensionOverdue()) {
		t.Error("nobody was late")
	}
	done := e.start("late", within(50*time.Millisecond))
	got, _ := w.event()
	xs["external"].extensionEvent()
	xs["internal"].extensionEvent()
	w.respond(got, "1")
	<-done
	<-e.ExtensionOverdue()
}

// A client that asks anew after its connection broke gets the event it missed.
func TestExtensionReconnects(t *testing.T) {
	e := serve(t, Config{Function: "f", Ordinary: true})
	id := e.join("internal", "INVOKE")
	x := e.nextEvent(id)
	w := e.parked(1)[0]
	<-e.Ready()
	x.conn.Close()
	e.until("left", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.ext.all[0].poll == nil
	})
	done := e.start("r")
	got, _ := w.event()
	w.respond(got, "1")
	<-done
	if event := e.nextEvent(id).extensionEvent(); event.RequestID != "r" {
		t.Errorf("%+v", event)
	}
}
