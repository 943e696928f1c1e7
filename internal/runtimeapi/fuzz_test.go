package runtimeapi

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func FuzzRoute(f *testing.F) {
	for _, p := range []string{pathPing, pathInitError, pathInvocation + "next", pathInvocation + "id/response",
		pathInvocation + "/error", pathInvocation + "a/b/error", ""} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		kind, id := route(path)
		if strings.Contains(id, "/") {
			t.Errorf("%q: id %q", path, id)
		}
		if answers := kind == routeResponse || kind == routeFailure; answers != (id != "") {
			t.Errorf("%q: kind %d with id %q", path, kind, id)
		}
	})
}

// FuzzHead compares the parser of the usual heads with net/http's: what it takes,
// net/http takes likewise.
func FuzzHead(f *testing.F) {
	for _, head := range usualHeads {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var w conn
		h, ok := w.parseHead(b)
		if !ok {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:h.size])))
		if err != nil {
			t.Fatalf("%q: net/http does not take it: %v", b[:h.size], err)
		}
		kind, id := route(r.URL.Path)
		poll := kind == routeNext && r.Method == http.MethodGet && h.length == -1 && r.ContentLength == 0
		answer := kind == routeResponse && r.Method == http.MethodPost && h.length == r.ContentLength
		if id != h.id || !poll && !answer || poll != (h.id == "") {
			t.Errorf("%q: %+v, net/http: %s %s with %d bytes", b[:h.size], h, r.Method, r.URL, r.ContentLength)
		}
		if h.echoed != r.Header.Get(headerInvocationID) || w.agent != r.UserAgent() || w.kind != r.Header.Get("Content-Type") {
			t.Errorf("%q: %+v, agent %q, type %q", b[:h.size], h, w.agent, w.kind)
		}
		if r.Close || r.TransferEncoding != nil || r.Trailer != nil || r.Header.Get("Expect") != "" || r.Header.Get(headerMode) != "" {
			t.Errorf("%q asks for more than a usual head does", b[:h.size])
		}
	})
}

// usualHeads are what clients send.
var usualHeads = []string{
	"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
	"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: localhost\r\nUser-Agent: AWS_Lambda_Cpp/1\r\nAccept: */*\r\n\r\n",
	"POST /2018-06-01/runtime/invocation/0a-Z9/response HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}",
	"POST /2018-06-01/runtime/invocation/b/response HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nLambda-Runtime-Invocation-Id: c-d\r\n\r\n",
}

// TestUsualHeads shows that the quick way is the one that clients go.
func TestUsualHeads(t *testing.T) {
	var w conn
	for _, head := range usualHeads {
		if _, ok := w.parseHead([]byte(head)); !ok {
			t.Errorf("%q is left to net/http", head)
		}
	}
	for _, head := range []string{
		"GET /2018-06-01/runtime/invocation/next HTTP/1.0\r\nHost: x\r\n\r\n",
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n",
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\nHost: x\n\n",
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n",
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 6291557\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a%2f/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a/error HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\r\n",
	} {
		if h, ok := w.parseHead([]byte(head)); ok {
			t.Errorf("%q is not left to net/http: %+v", head, h)
		}
	}
}

// FuzzStream sends raw bytes as a hostile runtime would: whatever they are, a
// good worker still gets its event and the slot comes back.
func FuzzStream(f *testing.F) {
	for _, s := range []string{
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc",
		"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
		"POST /2018-06-01/runtime/invocation/a/error HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"\x00\xff\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		if bytes.Contains(stream, []byte("invocation/good")) {
			t.Skip("guessed the id")
		}
		e := serve(t, Config{MaxConcurrency: 1})
		good := e.parked(1)[0]
		hostile := e.worker()
		hostile.conn.Write(stream)
		hostile.conn.(*net.TCPConn).CloseWrite()
		hostile.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		var b [4096]byte
		for {
			if _, err := hostile.conn.Read(b[:]); err != nil {
				break
			}
		}
		c := e.start("good")
		good.event()
		good.respond("good", "x").expect(t, 202, accepted)
		if r := <-c; r.err != nil || e.InFlight() != 0 {
			t.Errorf("%+v, in flight %d", r, e.InFlight())
		}
	})
}

// FuzzHeaders: what a caller's headers hold reaches the runtime as one value each,
// and no header that was not sent.
func FuzzHeaders(f *testing.F) {
	f.Add("Root=1-2;Sampled=1", `{"client":{}}`, "application/json", "tenant")
	f.Add("a\r\nLambda-Runtime-Deadline-Ms: 1", "\n\n", "\r", "\x00")
	f.Fuzz(func(t *testing.T, trace, client, content, tenant string) {
		c := &call{inv: &Invocation{RequestID: "r", TraceID: trace, ClientContext: client, ContentType: content, TenantID: tenant, Body: []byte("body")}, nonce: "n", timeout: time.Second}
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			_ = New(Config{FunctionARN: "arn"}).send(&conn{Conn: ours}, c) // the reader may give up
		}()
		defer theirs.Close()
		resp, err := http.ReadResponse(bufio.NewReader(theirs), nil)
		if err != nil {
			return // a value that is none in HTTP; the reader says so
		}
		body, _ := io.ReadAll(resp.Body)
		if string(body) != "body" || len(resp.Header.Values("Lambda-Runtime-Deadline-Ms")) != 1 || resp.Header.Get("Lambda-Runtime-Invocation-Id") != "n" {
			t.Errorf("%v %q", resp.Header, body)
		}
		for name := range resp.Header {
			if !strings.HasPrefix(name, "Lambda-Runtime-") && name != "Content-Type" && name != "Content-Length" {
				t.Errorf("a header of its own: %q", name)
			}
		}
	})
}

// FuzzErrorType: the filter keeps AWS's shape whatever a runtime sends.
func FuzzErrorType(f *testing.F) {
	for _, s := range []string{"Runtime.Error", "Function.", "x\nFunction.A", "unhandled", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := filterErrorType(s); got != s && got != "Runtime.Unknown" && got != "Function.Unknown" || got == s && !typePattern.MatchString(s) && s != "Runtime.Unknown" && s != "Function.Unknown" {
			t.Errorf("%q gives %q", s, got)
		}
	})
}
