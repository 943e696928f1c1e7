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
)

// ServeHTTP routes by hand: the paths are few and this is the hot path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt, id := route(r.URL.Path)
	method := http.MethodPost
	if rt == routeNext || rt == routePing {
		method = http.MethodGet
	}
	switch {
	case rt == routeNone:
		http.NotFound(w, r)
	case r.Method != method:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case rt == routeNext:
		s.next(w, r)
	case rt == routeResponse:
		s.response(w, r, id)
	case rt == routeFailure:
		s.failure(w, r, id)
	case rt == routeInitError:
		s.initError(w, r)
	case rt == routePing:
		w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
		w.Write([]byte("pong"))
	}
}

type routeKind int

// The endpoints. Extensions and Telemetry, to come, are answered 404 as yet,
// as are restore and the Logs API, which managed instances do not have.
const (
	routeNone routeKind = iota
	routeNext
	routeResponse
	routeFailure
	routeInitError
	routePing
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

var (
	jsonType = []string{typeJSON}
	bodyOK   = []byte(`{"status":"OK"}` + "\n")
)

func writeAccepted(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"], h["Date"] = jsonType, nil
	w.WriteHeader(http.StatusAccepted)
	w.Write(bodyOK)
}

func writeError(w http.ResponseWriter, status int, errorType, message string) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(status)
	w.Write(mustJSON(struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}{message, errorType}, "\n"))
}

// errorBody is the payload of an invocation that the platform failed.
func errorBody(errorType, message string) []byte {
	return mustJSON(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{errorType, message}, "")
}

func mustJSON(v any, end string) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings are passed
	}
	return append(b, end...)
}
