package runtimeapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// env is a served Server and its address.
type env struct {
	*Server
	t    testing.TB
	addr string
}

func serve(t testing.TB, cfg Config) *env {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	e := &env{Server: New(cfg), t: t, addr: l.Addr().String()}
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		e.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return e
}

// worker is a hand-driven runtime client on one connection.
type worker struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (e *env) worker() *worker {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { conn.Close() })
	return &worker{e.t, conn, bufio.NewReader(conn)}
}

func (w *worker) send(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.conn, format, args...); err != nil {
		w.t.Fatal(err)
	}
}

// poll sends GET next without reading the answer.
func (w *worker) poll() {
	w.t.Helper()
	w.send("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nExpect:\r\n\r\n")
}

// echo answers every event with itself until the connection ends.
func (w *worker) echo() {
	for {
		io.WriteString(w.conn, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(w.r, nil)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 {
			return
		}
		fmt.Fprintf(w.conn, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
			resp.Header.Get("Lambda-Runtime-Aws-Request-Id"), len(body), body)
		if resp, err = http.ReadResponse(w.r, nil); err != nil {
			return
		}
		io.Copy(io.Discard, resp.Body)
	}
}

// answer is a read HTTP answer.
type answer struct {
	*http.Response
	body string
}

func (w *worker) read() answer {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		w.t.Fatalf("reading an answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("reading a body: %v", err)
	}
	return answer{resp, string(body)}
}

// event reads a poll's answer and gives the request id.
func (w *worker) event() (id string, a answer) {
	w.t.Helper()
	a = w.read()
	if a.StatusCode != 200 {
		w.t.Fatalf("poll answered %d %s", a.StatusCode, a.body)
	}
	return a.Header.Get("Lambda-Runtime-Aws-Request-Id"), a
}

// post sends a body to …/runtime/{path}, with extra header lines.
func (w *worker) post(path, body string, header ...string) answer {
	w.t.Helper()
	w.send("POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s",
		path, len(body), strings.Join(append(header, ""), "\r\n"), body)
	return w.read()
}

func (w *worker) respond(id, body string, header ...string) answer {
	w.t.Helper()
	return w.post("invocation/"+id+"/response", body, header...)
}

// parked polls with n fresh workers, waits until all are parked, and gives them
// in the order in which they get events: the newest poll first.
func (e *env) parked(n int) []*worker {
	e.t.Helper()
	var ws []*worker
	for range n {
		w := e.worker()
		w.poll()
		ws = append(ws, w)
		e.until("poll parked", func() bool { return e.Idle() == len(ws) })
	}
	slices.Reverse(ws)
	return ws
}

// until waits for a state that another goroutine brings about.
func (e *env) until(what string, ok func() bool) {
	e.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			e.t.Fatalf("never: %s", what)
		}
	}
}

type ended struct {
	res Result
	err error
}

// start invokes in the background.
func (e *env) start(id string, mod ...func(*Invocation)) <-chan ended {
	inv := &Invocation{RequestID: id, Body: []byte(`{"id":"` + id + `"}`)}
	for _, m := range mod {
		m(inv)
	}
	ch := make(chan ended, 1)
	go func() {
		res, err := e.Invoke(context.Background(), inv)
		ch <- ended{res, err}
	}()
	return ch
}

func within(d time.Duration) func(*Invocation) {
	return func(inv *Invocation) { inv.Timeout = d }
}

// expect checks an HTTP answer's status and that its body has want in it.
func (a answer) expect(t testing.TB, status int, want string) {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, want) {
		t.Errorf("answer %d %q, want %d with %q", a.StatusCode, a.body, status, want)
	}
}

const accepted = `{"status":"OK"}` + "\n"
