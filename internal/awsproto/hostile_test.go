package awsproto_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

// door is a real server with a front door, and raw sockets to it.
type door struct {
	*httptest.Server
	budget *awsproto.Budget
	called chan int // sizes of the payloads that reached the handler
}

// newDoor lets in whoever names the key "test"; bodies have to hurry.
func newDoor(t *testing.T, budget int64) door {
	d := door{budget: awsproto.NewBudget(budget), called: make(chan int, 1024)}
	m := awsproto.NewMux(awsproto.Config{
		Authenticate: func(r *http.Request) (awsproto.Proof, error) {
			if !strings.Contains(r.Header.Get("Authorization"), "Credential=test/") {
				return nil, lamina.Errorf("UnrecognizedClientException", "The security token included in the request is invalid.")
			}
			return letIn(r)
		},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Budget: d.budget, BodyGrace: 300 * time.Millisecond, BodyRate: 64 << 10,
	})
	awsproto.Handle(m, lambda.Invoke, func(_ context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
		d.called <- len(in.Payload)
		return &lambda.InvocationResponse{StatusCode: new(int32(200)), Payload: []byte("{}")}, nil
	})
	d.Server = httptest.NewUnstartedServer(m)
	d.Config.ReadTimeout = time.Second
	d.Start()
	t.Cleanup(d.Close)
	return d
}

const invocations = "/2015-03-31/functions/f/invocations"

// head is an Invoke's head with further header lines.
func head(key string, lines ...string) string {
	auth := strings.Replace(scope("lambda"), "=test/", "="+key+"/", 1)
	b := "POST " + invocations + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + auth + "\r\n"
	for _, line := range lines {
		b += line + "\r\n"
	}
	return b + "\r\n"
}

func (d door) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", d.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answer reads one response and its body.
func answer(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestRefusedBeforeTheBody: who may not come in learns so without his body
// being read, however much of it he announces.
func TestRefusedBeforeTheBody(t *testing.T) {
	d := newDoor(t, 1<<20)
	c := d.dial(t)
	fmt.Fprint(c, head("foreign", "Content-Length: 5000000"))
	res, body := answer(t, bufio.NewReader(c))
	if res.StatusCode != 403 || !strings.Contains(body, "security token") || !res.Close {
		t.Errorf("%d %s, close %t", res.StatusCode, body, res.Close)
	}
}

// TestSlowBody: a body that stops or crawls is ended, an honest slow one is not.
func TestSlowBody(t *testing.T) {
	d := newDoor(t, 4<<20)
	for _, length := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
		c := d.dial(t)
		fmt.Fprint(c, head("test", length)+"3e7\r\n{")
		res, body := answer(t, bufio.NewReader(c))
		if res.StatusCode != 408 || !strings.Contains(body, "did not come in time") || !res.Close {
			t.Errorf("%s: %d %s, close %t", length, res.StatusCode, body, res.Close)
		}
	}
	c := d.dial(t)
	const chunk, chunks = 16 << 10, 40 // at most 64 KiB/s are asked for; this takes longer than the grace
	fmt.Fprint(c, head("test", fmt.Sprintf("Content-Length: %d", chunk*chunks)))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range chunks {
		if _, err := io.WriteString(c, strings.Repeat("1", chunk)); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	if res, body := answer(t, bufio.NewReader(c)); res.StatusCode != 200 || <-d.called != chunk*chunks {
		t.Errorf("the honest one: %d %s", res.StatusCode, body)
	}
	if d.budget.Used() != 0 {
		t.Errorf("%d bytes of the budget are lost", d.budget.Used())
	}
}

// TestBudgetIsShared: bodies that together exceed the budget are turned away as
// a caller that asks too much, small ones are served all the while.
func TestBudgetIsShared(t *testing.T) {
	d := newDoor(t, 4<<20)
	var holders []net.Conn
	const length = 1_000_000
	for range 3 { // each holds a megabyte, and is honest enough for a while
		c := d.dial(t)
		fmt.Fprint(c, head("test", "Content-Length: 1000000"))
		if _, err := io.WriteString(c, strings.Repeat("1", length-1)); err != nil {
			t.Fatal(err)
		}
		holders = append(holders, c)
	}
	for d.budget.Used() < 3*length {
		time.Sleep(time.Millisecond)
	}
	large, small := d.dial(t), d.dial(t)
	fmt.Fprint(large, head("test", "Content-Length: 1000000"), strings.Repeat("1", length))
	fmt.Fprint(small, head("test", "Content-Length: 2"), "{}")
	if res, body := answer(t, bufio.NewReader(small)); res.StatusCode != 200 {
		t.Errorf("small: %d %s", res.StatusCode, body)
	}
	res, body := answer(t, bufio.NewReader(large)) // the holders stay for seconds
	if res.StatusCode != 429 || res.Header.Get("X-Amzn-Errortype") != "TooManyRequestsException" || !strings.Contains(body, `"Reason":"CallerRateLimitExceeded"`) {
		t.Errorf("large: %d %s", res.StatusCode, body)
	}
	for _, c := range holders {
		fmt.Fprint(c, "1")
		if res, body := answer(t, bufio.NewReader(c)); res.StatusCode != 200 {
			t.Errorf("holder: %d %s", res.StatusCode, body)
		}
	}
	for d.budget.Used() != 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestOversizeWithoutALength: bodies that never say how long they are stop at
// the limit.
func TestOversizeWithoutALength(t *testing.T) {
	d := newDoor(t, 64<<20)
	var group sync.WaitGroup
	for range 8 {
		c := d.dial(t)
		group.Go(func() { // ends when the server does not read on
			fmt.Fprint(c, head("test", "Transfer-Encoding: chunked"))
			part := "10000\r\n" + strings.Repeat("1", 0x10000) + "\r\n"
			for range 200 {
				if _, err := io.WriteString(c, part); err != nil {
					return
				}
			}
		})
		group.Go(func() {
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != 413 || res.Header.Get("X-Amzn-Errortype") != "RequestTooLargeException" {
				t.Error(res.Status)
			}
		})
	}
	group.Wait()
}

// TestNoRequestHidesBehindABody: a request with two ideas of its length is one
// request; what follows it is not taken for a second.
func TestNoRequestHidesBehindABody(t *testing.T) {
	d := newDoor(t, 1<<20)
	second := head("test", "Content-Length: 2") + "{}"
	for name, first := range map[string]string{
		"CL.TE":          head("test", "Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\nG",
		"TE.CL":          head("test", "Transfer-Encoding: chunked", "Content-Length: 3") + "1\r\n1\r\n0\r\n\r\n",
		"two lengths":    head("test", "Content-Length: 2", "Content-Length: 4") + "{}12",
		"two encodings":  head("test", "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "0\r\n\r\n",
		"bad encoding":   head("test", "Transfer-Encoding: xchunked", "Content-Length: 2") + "{}",
		"blank in name":  head("test", "Content-Length : 2") + "{}",
		"obsolete fold":  head("test", "X-A: 1\r\n Content-Length: 40") + second,
		"plus in length": head("test", "Content-Length: +2") + "{}",
	} {
		c := d.dial(t)
		fmt.Fprint(c, first, second, second)
		_ = c.(*net.TCPConn).CloseWrite()
		r, answers := bufio.NewReader(c), 0
		for {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Logf("%s: %v", name, err)
				}
				break
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			answers++
		}
		if name != "obsolete fold" && answers != 1 {
			t.Errorf("%s: %d answers", name, answers)
		}
	}
}

// TestSlowReader: a client that does not take its answer holds nothing for long.
func TestSlowReader(t *testing.T) {
	m := awsproto.NewMux(awsproto.Config{Authenticate: letIn, BodyGrace: 100 * time.Millisecond, BodyRate: 64 << 20})
	ended := make(chan struct{}, 1)
	awsproto.Handle(m, lambda.Invoke, func(context.Context, *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
		return &lambda.InvocationResponse{StatusCode: new(int32(200)), Payload: make([]byte, 64<<20)}, nil
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.ServeHTTP(w, r)
		ended <- struct{}{}
	}))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, head("test", "Content-Length: 2"), "{}")
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the answer is still being written")
	}
}
