package rawhttp

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, in   string
		status     int
		path, body string
		header     string // X-One
		fails      bool
	}{
		{name: "request", in: "POST /a?b HTTP/1.1\r\nx-ONE:  1 \r\nContent-Length: 2\r\n\r\nhi", path: "/a?b", body: "hi", header: "1"},
		{name: "no body", in: "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", path: "/a"},
		{name: "response", in: "HTTP/1.1 429 Too Many\r\ncontent-length: 1\r\n\r\n!", status: 429, body: "!", path: "429"},
		{name: "chunks", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n", status: 200, body: "ab0123456789", path: "200"},
		{name: "cut body", in: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", fails: true},
		{name: "cut head", in: "HTTP/1.1 200 OK\r\nConte", fails: true},
		{name: "bad length", in: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", fails: true},
		{name: "bad chunk", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Message
			r := bufio.NewReader(strings.NewReader(c.in))
			if err := m.Read(r); (err != nil) != c.fails {
				t.Fatalf("got %v", err)
			}
			if c.fails {
				return
			}
			if m.Status() != c.status || string(m.Path()) != c.path || string(m.Body) != c.body || string(m.Header("X-One")) != c.header {
				t.Errorf("got %d %q %q %q", m.Status(), m.Path(), m.Body, m.Header("X-One"))
			}
			if err := m.Read(r); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

func TestReadWhatNetHTTPWrites(t *testing.T) {
	var wire bytes.Buffer
	want := strings.Repeat("x", 300)
	for range 2 {
		req, err := http.NewRequest(http.MethodPost, "http://localhost/there", strings.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		if err := req.Write(&wire); err != nil {
			t.Fatal(err)
		}
	}
	r := bufio.NewReader(&wire)
	var m Message
	for range 2 {
		if err := m.Read(r); err != nil || string(m.Body) != want || string(m.Path()) != "/there" {
			t.Errorf("got %q %q, %v", m.Path(), m.Body, err)
		}
	}
}

func TestAppendBody(t *testing.T) {
	var m Message
	sent := AppendBody([]byte("HTTP/1.1 200 OK\r\n"), []byte("body"))
	if err := m.Read(bufio.NewReader(bytes.NewReader(sent))); err != nil || string(m.Body) != "body" {
		t.Errorf("got %q, %v", m.Body, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"))
	f.Fuzz(func(_ *testing.T, in []byte) {
		var m Message
		r := bufio.NewReader(bytes.NewReader(in))
		for m.Read(r) == nil {
			m.Status()
			m.Path()
		}
	})
}
