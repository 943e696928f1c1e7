package runtimeapi

import (
	"fmt"
	"strings"
	"testing"
)

// extension asks the Extensions API.
func (w *worker) extension(method, path, body string, header ...string) answer {
	w.t.Helper()
	w.ask(method, path, body, header...)
	return w.read()
}

// ask sends without reading the answer.
func (w *worker) ask(method, path, body string, header ...string) {
	w.t.Helper()
	w.send("%s /2020-01-01/extension/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s",
		method, path, len(body), strings.Join(append(header, ""), "\r\n"), body)
}

// register gives the identifier of a new extension.
func (e *env) register(name string) string {
	e.t.Helper()
	a := e.worker().extension("POST", "register", `{"events":[]}`, "Lambda-Extension-Name: "+name)
	a.expect(e.t, 200, `"functionName":"f"`)
	return a.Header.Get("Lambda-Extension-Identifier")
}

func identified(id string) string { return "Lambda-Extension-Identifier: " + id }

func serveF(t *testing.T) *env {
	return serve(t, Config{Function: "f", Version: "1", Handler: "app.handler", AccountID: "000000000000"})
}

// Checklist point 29: what is refused, with AWS's types.
func TestExtensionRefusals(t *testing.T) {
	e := serveF(t)
	e.ExpectExtensions([]string{"external"})
	id := e.register("first")
	external := "Lambda-Extension-Name: external"
	name := "Lambda-Extension-Name: other"
	for what, tt := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		want               string
	}{
		"INVOKE":             {"POST", "register", `{"events":["INVOKE"]}`, []string{external}, 403, `{"errorMessage":"INVOKE: ErrorInvalidEventType","errorType":"Extension.InvalidEventType"}`},
		"internal SHUTDOWN":  {"POST", "register", `{"events":["SHUTDOWN"]}`, []string{name}, 403, "No events allowed for internal extensions"},
		"no name":            {"POST", "register", `{"events":[]}`, nil, 403, "Extension.InvalidExtensionName"},
		"same name":          {"POST", "register", `{"events":[]}`, []string{"lambda-extension-name: first"}, 403, "Extension.InvalidExtensionState"},
		"configurationKeys":  {"POST", "register", `{"configurationKeys":["x"]}`, []string{name}, 403, "InvalidRequestFormat"},
		"unknown event":      {"POST", "register", `{"events":["SHUTDOWN","OTHER"]}`, []string{external}, 403, "OTHER: ErrorInvalidEventType"},
		"internal INVOKE":    {"POST", "register", `{"events":["INVOKE"]}`, []string{name}, 403, "No events allowed for internal extensions"},
		"no JSON":            {"POST", "register", `{`, []string{name}, 403, "InvalidRequestFormat"},
		"no identifier":      {"GET", "event/next", "", nil, 403, "Extension.MissingExtensionIdentifier"},
		"odd identifier":     {"GET", "event/next", "", []string{identified("x")}, 403, "Extension.InvalidExtensionIdentifier"},
		"unknown identifier": {"GET", "event/next", "", []string{identified("01234567-89ab-cdef-0123-456789abcdef")}, 403, "Extension.UnknownExtensionIdentifier"},
		"error without type": {"POST", "exit/error", "{}", []string{identified(id)}, 403, "Extension.MissingHeader"},
		"wrong method":       {"GET", "register", "", nil, 405, ""},
		"unknown path":       {"GET", "event", "", nil, 404, "404"},
	} {
		t.Run(what, func(t *testing.T) {
			e.worker().extension(tt.method, tt.path, tt.body, tt.header...).expect(t, tt.status, tt.want)
		})
	}
}

// Checklist point 29: at most ten.
func TestExtensionLimit(t *testing.T) {
	e := serveF(t)
	for i := range 10 {
		e.register(fmt.Sprint("x", i))
	}
	e.worker().extension("POST", "register", `{"events":[]}`, "Lambda-Extension-Name: eleventh").
		expect(t, 403, `{"errorMessage":"Extension limit (10) reached","errorType":"Extension.TooManyExtensions"}`)
}

// Checklist points 2 and 29: the environment is ready when the runtime has
// polled and every extension has too; the runtime's poll closes registration.
func TestExtensionsGateInit(t *testing.T) {
	e := serveF(t)
	a := e.worker().extension("POST", "register", `{"events":[]}`, "Lambda-Extension-Name: x", "Lambda-Extension-Accept-Feature: accountId")
	a.expect(t, 200, `{"functionName":"f","functionVersion":"1","handler":"app.handler","accountId":"000000000000"}`)
	id := a.Header.Get("Lambda-Extension-Identifier")
	w := e.parked(1)[0]
	select {
	case <-e.Ready():
		t.Fatal("ready without the extension")
	default:
	}
	if _, err := e.Reserve(); err != ErrNotReady {
		t.Errorf("an invocation is admitted: %v", err)
	}
	e.worker().extension("POST", "register", `{"events":[]}`, "Lambda-Extension-Name: late").
		expect(t, 403, `"errorType":"Extension.RegistrationClosed"`)
	x := e.worker()
	x.ask("GET", "event/next", "", identified(id))
	<-e.Ready()
	done := e.start("r")
	got, _ := w.event()
	w.respond(got, `"ok"`).expect(t, 202, accepted)
	if r := <-done; r.err != nil || string(r.res.Body) != `"ok"` {
		t.Errorf("%+v", r)
	}
	// Checklist point 27: its parked request gets no event at the end.
	e.Close()
	if n, err := x.r.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes at the end", n)
	}
}

// What an extension reports ends the environment: the first report stands.
func TestExtensionErrors(t *testing.T) {
	for _, tt := range []struct{ path, sent, want string }{
		{"init/error", "Extension.NoKey", "Extension.NoKey"},
		{"init/error", "NoKey", "Extension.InitError"},
		{"exit/error", "Runtime.Odd", "Extension.ExitError"},
	} {
		t.Run(tt.path+" "+tt.sent, func(t *testing.T) {
			e := serveF(t)
			id := e.register("x")
			for _, sent := range []string{tt.sent, "Extension.Second"} {
				e.worker().extension("POST", tt.path, `{"errorMessage":"none"}`, identified(id), "Lambda-Extension-Function-Error-Type: "+sent).expect(t, 202, accepted)
			}
			<-e.ExtensionFailed()
			if got := e.ExtensionError(); got.Type != tt.want || string(got.Body) != `{"errorMessage":"none"}` {
				t.Errorf("%+v", got)
			}
		})
	}
}
