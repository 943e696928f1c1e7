package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

var mine = lamina.Instance{ID: "i-1", Provider: "p", SubnetID: "subnet-1", Token: "secret"}

// house is a server behind a door, whose gate knows paths to sts alone.
type house struct {
	t     *testing.T
	path  string
	gate  *Gate
	asked atomic.Int32 // requests that came through
	log   strings.Builder
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "door")}
	raw, err := net.Listen("unix", h.path)
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(raw, func(id, token string) (lamina.Instance, bool) { return mine, id == mine.ID && token == mine.Token })
	h.gate = &Gate{
		Instance: func(r *http.Request) (lamina.Instance, bool) { return mine, r.Header.Get("Session") != "" },
		Service:  func(r *http.Request) string { return r.Header.Get("Service") },
		Reaches: func(_ lamina.Instance, service string, at netip.Addr) network.Answer {
			if service == "sts" || at == netip.MustParseAddr("10.0.1.200") {
				return network.Answer{}
			}
			return network.Answer{Missing: &network.Missing{Code: "no-route", Text: "no way to " + service}}
		},
		Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	}
	web := &http.Server{ConnContext: ConnContext, Handler: h.gate.Around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		fmt.Fprint(w, Visited(r))
	}))}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	t.Cleanup(func() {
		h.gate.Open()
		web.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return h
}

// ask sends a request after a first line.
func (h *house) ask(ctx context.Context, first string, header ...string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", h.path)
		if err == nil {
			_, err = io.WriteString(c, first)
		}
		return c, err
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://lamina/", strings.NewReader("body"))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func step(t *testing.T, d wire.Doorstep) string {
	t.Helper()
	var b strings.Builder
	if err := wire.WriteDoorstep(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOnlyInstancesGetIn(t *testing.T) {
	h := open(t)
	known := wire.Doorstep{InstanceID: mine.ID, Token: mine.Token, To: "203.0.113.1:443"}
	if got, err := h.ask(t.Context(), step(t, known), "Service", "sts"); err != nil || got != "true" {
		t.Errorf("%q %v", got, err)
	}
	wrong, foreign, nowhere := known, known, known
	wrong.Token, foreign.InstanceID, nowhere.To = "guess", "i-2", "here"
	for name, first := range map[string]string{
		"none": "", "wrong token": step(t, wrong), "foreign": step(t, foreign), "no address": step(t, nowhere), "no JSON": "hello\n",
		"too long": strings.Repeat("x", 1<<20) + "\n",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if got, err := h.ask(ctx, first, "Service", "sts"); err == nil {
			t.Errorf("%s: %q", name, got)
		}
		cancel()
	}
	if n := h.asked.Load(); n != 1 {
		t.Errorf("%d requests came through", n)
	}
}

// A request without a path hangs until its client gives up, is told of once, and
// never reaches the server.
func TestNoPathNoAnswer(t *testing.T) {
	h := open(t)
	first := step(t, wire.Doorstep{InstanceID: mine.ID, Token: mine.Token, To: "127.0.0.1:4566"})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if got, err := h.ask(ctx, first, "Service", "logs"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q %v", got, err)
		}
		cancel()
	}
	atEndpoint := step(t, wire.Doorstep{InstanceID: mine.ID, Token: mine.Token, To: "10.0.1.200:443"})
	if got, err := h.ask(t.Context(), atEndpoint, "Service", "logs"); err != nil || got != "true" {
		t.Errorf("at the endpoint: %q %v", got, err)
	}
	hangs := make(chan error, 1)
	go func() { _, err := h.ask(t.Context(), first, "Service", "s3"); hangs <- err }()
	time.Sleep(50 * time.Millisecond)
	h.gate.Open()
	select {
	case err := <-hangs:
		if err == nil {
			t.Error("a request without a path was answered when the gate opened")
		}
	case <-time.After(patience):
		t.Error("a request hangs though the server ends")
	}
	if n := h.asked.Load(); n != 1 {
		t.Errorf("%d requests came through", n)
	}
	h.gate.mu.Lock() // which the log is written under
	defer h.gate.mu.Unlock()
	if n := strings.Count(h.log.String(), "no way to logs"); n != 1 {
		t.Errorf("told %d times: %s", n, h.log.String())
	}
}

// TestCloseWaitsForNoSilentConnection: who has not said yet who it is, is sent away.
func TestCloseWaitsForNoSilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, its := net.Pipe()
		raw := &oneConnection{c: make(chan net.Conn, 1)}
		raw.c <- its
		l := Listen(raw, func(string, string) (lamina.Instance, bool) { return lamina.Instance{}, true })
		synctest.Wait() // it waits for the first line
		start := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := mine.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v", waited)
		}
	})
}

// oneConnection is a listener that somebody has come to.
type oneConnection struct{ c chan net.Conn }

func (l *oneConnection) Accept() (net.Conn, error) {
	if c, ok := <-l.c; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConnection) Close() error { close(l.c); return nil }

func (l *oneConnection) Addr() net.Addr { return nil }
