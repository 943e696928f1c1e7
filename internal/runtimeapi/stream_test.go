package runtimeapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func streamed(inv *Invocation) { inv.Stream = true }

// beginResponse posts the head of a response of the streaming mode.
func (w *worker) beginResponse(id string) {
	w.t.Helper()
	w.send("POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Type: text/x\r\n"+
		"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"+
		"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n", id)
}

func (w *worker) chunk(s string) { w.t.Helper(); w.send("%x\r\n%s\r\n", len(s), s) }

// endResponse ends the body, with trailer lines if there are any.
func (w *worker) endResponse(trailer ...string) {
	w.t.Helper()
	lines := ""
	for _, line := range trailer {
		lines += line + "\r\n"
	}
	w.send("0\r\n%s\r\n", lines)
}

// streaming serves one slot and gives a worker whose response to "a" has begun, and its reader's end.
func streaming(t testing.TB, mod ...func(*Invocation)) (*env, *worker, Result) {
	t.Helper()
	e := serve(t, Config{MaxConcurrency: 1, Bridge: -1})
	w := e.parked(1)[0]
	c := e.start("a", append(mod, streamed)...)
	w.event()
	w.beginResponse("a")
	r := <-c
	if r.err != nil || r.res.Stream == nil || r.res.ContentType != "text/x" || !r.res.Streamed {
		t.Fatalf("the head: %+v", r)
	}
	t.Cleanup(func() { r.res.Stream.Close() })
	return e, w, r.res
}

// piece reads exactly what is wanted.
func piece(t testing.TB, st *Stream, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(st, b); err != nil || string(b) != want {
		t.Fatalf("%q, %v; want %q", b, err, want)
	}
}

// rest reads to the end and gives the result.
func rest(t *testing.T, st *Stream, want string) Result {
	t.Helper()
	b, err := io.ReadAll(st)
	if err != nil || string(b) != want {
		t.Errorf("the rest: %q, %v; want %q", b, err, want)
	}
	return st.Result()
}

func TestPoint20_ChunksAreForwardedAtOnce(t *testing.T) {
	e, w, head := streaming(t)
	for _, s := range []string{"one", "two"} {
		w.chunk(s)
		piece(t, head.Stream, s)
	}
	w.endResponse()
	w.read().expect(t, 202, accepted)
	if r := rest(t, head.Stream, ""); r.Status != StatusOK || r.Duration <= 0 || e.InFlight() != 0 {
		t.Errorf("%+v, in flight %d", r, e.InFlight())
	}
}

func TestPoint20_StreamedErrorTrailers(t *testing.T) {
	_, w, head := streaming(t)
	w.chunk("half")
	w.endResponse("Lambda-Runtime-Function-Error-Type: Function.Broke", "Lambda-Runtime-Function-Error-Body: eyJhIjoxfQ==")
	if r := rest(t, head.Stream, "half"); r.Status != StatusFunctionError || r.ErrorType != "Function.Broke" || string(r.Body) != `{"a":1}` {
		t.Errorf("%+v", r)
	}
	w.read().expect(t, 202, accepted)
}

// aws-lambda-go names no mode; it declares its trailers.
func TestChunkedResponseWithTrailersStreams(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a", streamed)
	w.event()
	w.send("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: Lambda-Runtime-Function-Error-Type\r\n\r\n")
	r := <-c
	if r.res.Stream == nil {
		t.Fatalf("%+v", r)
	}
	w.chunk("x")
	w.endResponse()
	rest(t, r.res.Stream, "x")
}

func TestBufferedResponseToAStreamingCaller(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a", streamed)
	w.event()
	w.respond("a", "whole").expect(t, 202, accepted)
	if r := <-c; r.res.Stream != nil || string(r.res.Body) != "whole" {
		t.Errorf("%+v", r)
	}
}

// The runtime can't get further ahead of its reader than the sockets hold.
func TestStreamIsHeldBack(t *testing.T) {
	_, w, head := streaming(t)
	w.conn.SetWriteDeadline(time.Now().Add(time.Second))
	data, sent := strings.Repeat("x", 1<<20), 0
	var err error
	for ; err == nil && sent < 64; sent++ {
		_, err = io.WriteString(w.conn, "100000\r\n"+data+"\r\n")
	}
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("%d MiB went out to nobody: %v", sent, err)
	}
	head.Stream.Close()
}

func TestStreamTimeout(t *testing.T) {
	e, w, head := streaming(t, within(200*time.Millisecond))
	w.chunk("half")
	r := rest(t, head.Stream, "half")
	if r.Status != StatusTimeout || string(r.Body) != `{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 0.20 seconds"}` {
		t.Errorf("%+v %s", r, r.Body)
	}
	if e.InFlight() != 1 {
		t.Error("the worker still streams, and its slot is free")
	}
	w.chunk(strings.Repeat("more", 100_000))
	w.endResponse()
	w.read().expect(t, 410, "InvokeTimeout")
	w.poll()
	e.until("the same connection polls", func() bool { return e.Idle() == 1 && e.InFlight() == 0 })
}

// A reader that stands still is not waited for beyond the timeout.
func TestStreamTimeoutWithoutAReader(t *testing.T) {
	e, w, head := streaming(t, within(200*time.Millisecond))
	for range 64 {
		w.chunk(strings.Repeat("x", 1<<20))
	}
	w.endResponse()
	w.read().expect(t, 410, "InvokeTimeout")
	if r := head.Stream.Result(); r.Status != StatusTimeout || e.InFlight() != 0 {
		t.Errorf("%+v, in flight %d", r, e.InFlight())
	}
}

func TestLeftStreamIsHeardOut(t *testing.T) {
	e, w, head := streaming(t)
	head.Stream.Close()
	w.chunk(strings.Repeat("x", 8<<20))
	if e.InFlight() != 1 {
		t.Error("the slot is free before the worker has answered")
	}
	w.endResponse()
	w.read().expect(t, 202, accepted)
	if r := head.Stream.Result(); r.Status != StatusOK || e.InFlight() != 0 {
		t.Errorf("%+v, in flight %d", r, e.InFlight())
	}
}

func TestStreamOfACallerWhoLeft(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := e.Invoke(ctx, &Invocation{RequestID: "a", Stream: true})
		done <- err
	}()
	w.event()
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.beginResponse("a")
	w.chunk("nobody")
	w.endResponse()
	w.read().expect(t, 202, accepted)
}

func TestErrorWhileStreaming(t *testing.T) {
	e, w, head := streaming(t)
	w.chunk("half")
	piece(t, head.Stream, "half")
	e.worker().post("invocation/a/error", `{"errorMessage":"m"}`, "Lambda-Runtime-Function-Error-Type: Function.Oops").expect(t, 202, accepted)
	if r := rest(t, head.Stream, ""); r.Status != StatusFunctionError || r.ErrorType != "Function.Oops" || string(r.Body) != `{"errorMessage":"m"}` || r.Duration == 0 || r.Answered.IsZero() {
		t.Errorf("%+v", r)
	}
	w.read().expect(t, 400, "InvalidRequestID")
}

func TestErrorWhileABufferedResponseComes(t *testing.T) {
	e := serve(t, Config{})
	w := e.parked(1)[0]
	done := e.start("a")
	w.event()
	w.beginResponse("a")
	w.chunk("half")
	e.until("the response is read", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.calls["a"].open
	})
	e.worker().post("invocation/a/error", `{"errorMessage":"m"}`, "Lambda-Runtime-Function-Error-Type: Function.Oops").expect(t, 202, accepted)
	if r := <-done; r.res.Status != StatusFunctionError || r.res.ErrorType != "Function.Oops" || string(r.res.Body) != `{"errorMessage":"m"}` || r.res.Duration == 0 {
		t.Errorf("%+v", r)
	}
	w.read().expect(t, 400, "InvalidRequestID")
}

func TestSecondResponseWhileStreaming(t *testing.T) {
	e, w, head := streaming(t)
	e.worker().respond("a", "other").expect(t, 400, "InvalidRequestID")
	w.chunk("mine")
	w.endResponse()
	rest(t, head.Stream, "mine")
}

func TestStreamCutShort(t *testing.T) {
	_, w, head := streaming(t)
	w.chunk("half")
	w.conn.Close()
	if r := rest(t, head.Stream, "half"); r.Status != StatusFunctionError || r.ErrorType != "Runtime.TruncatedResponse" {
		t.Errorf("%+v", r)
	}
}

// The runtime's end is the better answer than the response it cut short, and the
// wait for it is not the function's time.
func TestRuntimeEndsWhileAnswering(t *testing.T) {
	const head = "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a")
	w.event()
	w.send(head)
	e.until("the answer begins", func() bool { return stateOf(e, "a") == callAnswering })
	w.conn.Close()
	e.Fail("Runtime.ExitError", "Runtime exited with error: exit status 6")
	if r := <-c; r.res.Status != StatusFailed || r.res.ErrorType != "Runtime.ExitError" {
		t.Errorf("%+v", r)
	}
	e = serve(t, Config{MaxConcurrency: 1})
	w = e.parked(1)[0]
	began := time.Now()
	c = e.start("a")
	w.event()
	w.send(head)
	w.conn.Close()
	if r := <-c; r.res.ErrorType != "Runtime.TruncatedResponse" || time.Since(began) < exitGrace || r.res.Duration > time.Since(began)-exitGrace/2 {
		t.Errorf("%+v", r)
	}
}

// stateOf is how far an invocation is.
func stateOf(e *env, id string) callState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[id].state
}

func TestRuntimeEndsWhileStreaming(t *testing.T) {
	e, w, head := streaming(t)
	w.chunk("half")
	piece(t, head.Stream, "half")
	w.conn.Close()
	e.Fail("Runtime.ExitError", "Runtime exited with error: exit status 3")
	if r := rest(t, head.Stream, ""); r.Status != StatusFailed || r.ErrorType != "Runtime.ExitError" {
		t.Errorf("%+v", r)
	}
}

func TestStreamBeginsTooLate(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 1})
	w := e.parked(1)[0]
	c := e.start("a", streamed, within(50*time.Millisecond))
	w.event()
	if r := <-c; r.res.Status != StatusTimeout {
		t.Errorf("%+v", r)
	}
	w.beginResponse("a")
	w.chunk("late")
	w.endResponse()
	w.read().expect(t, 410, "InvokeTimeout")
}

// nothing is an endless body.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) { return len(p), nil }

func TestStreamLimit(t *testing.T) {
	for _, c := range []struct {
		size int64
		want error
	}{{MaxStream, nil}, {MaxStream + 1, errTooLarge}, {4 * MaxStream, errTooLarge}} {
		size, err := pass(io.Discard, io.LimitReader(nothing{}, c.size))
		if !errors.Is(err, c.want) || err == nil && size != c.size {
			t.Errorf("%d bytes: %d, %v", c.size, size, err)
		}
	}
}

// An error with its stack trace is longer than net/http's buffer.
func TestPoint20_LongErrorTrailers(t *testing.T) {
	long := []byte(`{"errorMessage":"` + strings.Repeat("m", 100_000) + `"}`)
	trailers := []string{"Lambda-Runtime-Function-Error-Type: Function.Broke", "Lambda-Runtime-Function-Error-Body: " + base64.StdEncoding.EncodeToString(long)}
	t.Run("streamed", func(t *testing.T) {
		e, w, head := streaming(t)
		w.chunk("half")
		w.endResponse(trailers...)
		if r := rest(t, head.Stream, "half"); r.ErrorType != "Function.Broke" || string(r.Body) != string(long) {
			t.Errorf("%s with %d bytes", r.ErrorType, len(r.Body))
		}
		w.read().expect(t, 202, accepted)
		w.poll()
		e.until("the same connection polls", func() bool { return e.Idle() == 1 })
	})
	t.Run("buffered", func(t *testing.T) {
		e := serve(t, Config{MaxConcurrency: 1})
		w := e.parked(1)[0]
		c := e.start("a")
		w.event()
		w.beginResponse("a")
		w.chunk("half")
		w.endResponse(trailers...)
		if r := <-c; r.res.ErrorType != "Function.Broke" || string(r.res.Body) != string(long) {
			t.Errorf("%s with %d bytes", r.res.ErrorType, len(r.res.Body))
		}
	})
}

// FuzzChunked holds chunked bodies against net/http's reading of them.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{"3\r\nabc\r\n0\r\n\r\n", "0\r\n\r\nGET", "ffffffffffffffff\r\n", "3;x=y\r\nab", "-1\r\n", "",
		"1\r\na\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.X\r\nOther: !\r\n\r\n", "0\r\n:\r\n\r\n"} {
		f.Add([]byte(s))
	}
	const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n"
	f.Fuzz(func(t *testing.T, body []byte) {
		read := func() (*conn, *http.Request) {
			w := &conn{r: bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(body)))}
			r, err := http.ReadRequest(w.r)
			if err != nil {
				t.Fatal(err)
			}
			return w, r
		}
		w, r := read()
		w.takeTrailers(r)
		got, err := io.ReadAll(r.Body)
		_, other := read()
		want, wrong := io.ReadAll(other.Body)
		if wrong != nil {
			return // also for trailers that are only too long for it
		}
		if err != nil || !bytes.Equal(got, want) || r.Trailer.Get(headerErrorType) != other.Trailer.Get(headerErrorType) {
			t.Errorf("%q, %v, %v; net/http: %q, %v", got, err, r.Trailer, want, other.Trailer)
		}
	})
}

// TestTimeUpJustBeforeTheStream: the slot of an answer whose time is up between
// its head and its first byte becomes free again.
func TestTimeUpJustBeforeTheStream(t *testing.T) {
	e := serve(t, Config{Timeout: time.Hour})
	w := e.parked(1)[0]
	done := e.start("a", func(inv *Invocation) { inv.Stream = true })
	w.event()
	e.mu.Lock()
	c := e.calls["a"]
	e.mu.Unlock()
	here := newConn(w.conn)
	if _, err := e.beginAnswer(here, "a", ""); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	e.due.remove(&c.due)
	e.timeUp(c)
	e.Server.unlock()
	<-done
	r, err := http.NewRequest(http.MethodPost, "http://x/", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	e.stream(here, r, "a", c)
	if n := e.InFlight(); n != 0 {
		t.Errorf("%d slots are still taken", n)
	}
}
