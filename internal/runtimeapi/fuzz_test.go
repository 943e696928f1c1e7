package runtimeapi

import (
	"bytes"
	"net"
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
