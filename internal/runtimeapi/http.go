package runtimeapi

import (
	"encoding/json"
	"net/http"
	"strings"
)

const (
	pathPing       = "/2018-06-01/ping"
	pathInitError  = "/2018-06-01/runtime/init/error"
	pathInvocation = "/2018-06-01/runtime/invocation/"
	pathExtension  = "/2020-01-01/extension/"
	pathTelemetry  = "/2022-07-01/telemetry"
)

// handle answers one request and tells whether the connection goes on.
func (s *Server) handle(w *conn, r *http.Request) bool {
	rt, id := route(r.URL.Path)
	method := http.MethodPost
	if rt == routeNext || rt == routePing || rt == routeExtensionNext {
		method = http.MethodGet
	}
	if rt == routeTelemetry {
		method = http.MethodPut
	}
	switch {
	case rt == routeNone:
		w.answer(http.StatusNotFound, typeText, []byte("404 page not found\n"))
	case r.Method != method:
		w.answer(http.StatusMethodNotAllowed, "", nil)
	case rt == routeNext:
		return s.next(w)
	case rt >= routeRegister:
		return s.extension(w, r, rt)
	case rt == routeResponse:
		s.response(w, r, id)
	case rt == routeFailure:
		s.failure(w, r, id)
	case rt == routeInitError:
		s.initError(w, r)
	case rt == routePing:
		w.answer(http.StatusOK, typeText, []byte("pong"))
	}
	return true
}

type routeKind int

// The endpoints. Restore and the Logs API, which managed instances do not have,
// are answered 404.
const (
	routeNone routeKind = iota
	routeNext
	routeResponse
	routeFailure
	routeInitError
	routePing
	routeRegister // from here on those of the Extensions API
	routeExtensionNext
	routeExtensionInitError
	routeExtensionExitError
	routeTelemetry
)

// route splits a path into its endpoint and, for answers, the request id.
func route(path string) (kind routeKind, id string) {
	rest, ok := strings.CutPrefix(path, pathInvocation)
	if !ok {
		switch path {
		case pathPing:
			return routePing, ""
		case pathInitError:
			return routeInitError, ""
		case pathTelemetry:
			return routeTelemetry, ""
		case pathExtension + "register":
			return routeRegister, ""
		case pathExtension + "event/next":
			return routeExtensionNext, ""
		case pathExtension + "init/error":
			return routeExtensionInitError, ""
		case pathExtension + "exit/error":
			return routeExtensionExitError, ""
		}
		return routeNone, ""
	}
	if rest == "next" {
		return routeNext, ""
	}
	id, what, _ := strings.Cut(rest, "/")
	switch {
	case id == "":
	case what == "response":
		return routeResponse, id
	case what == "error":
		return routeFailure, id
	}
	return routeNone, ""
}

var bodyOK = []byte(`{"status":"OK"}` + "\n")

// acceptance is the answer to nearly every post.
var acceptance = []byte("HTTP/1.1 202 Accepted\r\nContent-Type: " + typeJSON + "\r\nContent-Length: 16\r\n\r\n" + `{"status":"OK"}` + "\n")

func writeAccepted(w *conn) {
	if w.last {
		w.answer(http.StatusAccepted, typeJSON, bodyOK)
		return
	}
	_, _ = w.Write(acceptance)
}

func writeError(w *conn, status int, errorType, message string) {
	w.answer(status, typeJSON, mustJSON(struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}{message, errorType}, "\n"))
}

func mustJSON(v any, end string) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings are passed
	}
	return append(b, end...)
}
