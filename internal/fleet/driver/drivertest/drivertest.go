// Package drivertest is the conformance suite of fleet drivers.
package drivertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Open makes a driver over one place; each further call is what a restarted
// server does. The agents it starts must be real ones that can reach a unix
// socket of this host.
type Open func(t *testing.T) driver.Driver

// goneLimit is how soon a driver must notice the end of an instance.
const goneLimit = time.Second

// Run checks a driver. open is called for each test with its own place first.
func Run(t *testing.T, place func(t *testing.T) Open) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, h *harness)
	}{
		{"an instance joins and is listed", testLaunch},
		{"termination leaves nothing", testTerminate},
		{"termination of nothing is no error", testTerminateNothing},
		{"an agent's own end is told", testOwnEnd},
		{"a restarted server adopts", testAdopt},
		{"an end between two servers is told on adoption", testAdoptGone},
		{"a cancelled launch starts nothing", testCancelled},
		{"many at once", testMany},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newHarness(t, place(t))) })
	}
}

// harness is a driver under test and a server for its agents to join.
type harness struct {
	open   Open
	d      driver.Driver
	stop   func()
	addr   string
	joined chan *joined
}

type joined struct {
	hello wire.Hello
	conn  *wire.Conn
}

func newHarness(t *testing.T, open Open) *harness {
	t.Helper()
	sock := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{open: open, addr: "unix://" + sock, joined: make(chan *joined, 64)}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- wire.Serve(ctx, l, h.welcome) }()
	t.Cleanup(func() {
		h.endAll(t)
		h.stop()
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	h.restart(t)
	return h
}

// welcome admits one agent and reads on until it goes.
func (h *harness) welcome(_ context.Context, c net.Conn) {
	conn := wire.NewConn(c)
	kind, body, err := conn.Receive()
	if err != nil || kind != wire.KindHello {
		return
	}
	hello, err := wire.Decode[wire.Hello](body)
	if err != nil || conn.Send(wire.KindWelcome, wire.Welcome{}) != nil {
		return
	}
	h.joined <- &joined{hello, conn}
	for err == nil {
		_, _, err = conn.Receive()
	}
}

// restart opens the driver anew and runs it; what ran goes on.
func (h *harness) restart(t *testing.T) {
	t.Helper()
	if h.stop != nil {
		h.stop()
	}
	h.d = h.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.d.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (h *harness) endAll(t *testing.T) {
	found, err := h.d.List(context.Background())
	if err != nil {
		t.Error(err)
	}
	for _, f := range found {
		if err := h.d.Terminate(context.Background(), f.ID, f.Handle); err != nil {
			t.Error(err)
		}
	}
}

func (h *harness) spec() driver.Spec {
	id := make([]byte, 9)
	rand.Read(id)
	return driver.Spec{
		ServerAddr: h.addr,
		Orphan:     time.Minute,
		Settings:   driver.Settings{VCPUCores: 0.25},
		Instance: lamina.Instance{
			ID: "i-" + hex.EncodeToString(id)[:17], VCPUs: 2, MemoryMiB: 8192, Token: "secret", Architecture: "x86_64",
		},
	}
}

func (h *harness) launch(t *testing.T) (driver.Spec, string) {
	t.Helper()
	spec := h.spec()
	handle, err := h.d.Launch(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if handle == "" {
		t.Fatal("no handle")
	}
	return spec, handle
}

func (h *harness) join(t *testing.T) *joined {
	t.Helper()
	select {
	case j := <-h.joined:
		return j
	case <-time.After(10 * time.Second):
		t.Fatal("no agent joined")
		return nil
	}
}

func (h *harness) wantGone(t *testing.T, id string, limit time.Duration) {
	t.Helper()
	select {
	case got := <-h.d.Gone():
		if got != id {
			t.Fatalf("%s is gone, want %s", got, id)
		}
	case <-time.After(limit):
		t.Fatalf("the end of %s was not told in %v", id, limit)
	}
}

func (h *harness) wantAlive(t *testing.T, id, handle string, want bool) {
	t.Helper()
	for _, text := range []string{handle, ""} {
		if got, err := h.d.Alive(t.Context(), id, text); err != nil || got != want {
			t.Fatalf("Alive(%s, %q) = %v, %v, want %v", id, text, got, err, want)
		}
	}
}

func (h *harness) wantListed(t *testing.T, want ...string) {
	t.Helper()
	found, err := h.d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(want) {
		t.Fatalf("List = %v, want %v", found, want)
	}
	for i, f := range found {
		if f.ID != want[i] || !f.Alive || f.Handle == "" {
			t.Fatalf("List = %+v, want %v alive", found, want)
		}
	}
}

func testLaunch(t *testing.T, h *harness) {
	spec, handle := h.launch(t)
	j := h.join(t)
	if j.hello.InstanceID != spec.Instance.ID || j.hello.Token != "secret" || j.hello.InvokeAddr == "" {
		t.Fatalf("joined with %+v", j.hello)
	}
	h.wantAlive(t, spec.Instance.ID, handle, true)
	h.wantListed(t, spec.Instance.ID)
}

func testTerminate(t *testing.T, h *harness) {
	spec, handle := h.launch(t)
	h.join(t)
	for range 2 {
		if err := h.d.Terminate(t.Context(), spec.Instance.ID, handle); err != nil {
			t.Fatal(err)
		}
		h.wantAlive(t, spec.Instance.ID, handle, false)
		h.wantListed(t)
	}
	h.wantGone(t, spec.Instance.ID, goneLimit)
}

func testTerminateNothing(t *testing.T, h *harness) {
	if err := h.d.Terminate(t.Context(), "i-00000000000000000", ""); err != nil {
		t.Fatal(err)
	}
	h.wantAlive(t, "i-00000000000000000", "", false)
}

func testOwnEnd(t *testing.T, h *harness) {
	spec, handle := h.launch(t)
	if err := h.join(t).conn.Send(wire.KindShutdown, wire.Shutdown{}); err != nil {
		t.Fatal(err)
	}
	h.wantGone(t, spec.Instance.ID, 5*time.Second)
	h.wantAlive(t, spec.Instance.ID, handle, false)
	h.wantListed(t)
}

func testAdopt(t *testing.T, h *harness) {
	spec, handle := h.launch(t)
	j := h.join(t)
	h.restart(t)
	h.wantAlive(t, spec.Instance.ID, handle, true)
	h.wantListed(t, spec.Instance.ID)
	for range 2 {
		if err := h.d.Adopt(t.Context(), spec.Instance.ID, handle); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.conn.Send(wire.KindShutdown, wire.Shutdown{}); err != nil {
		t.Fatal(err)
	}
	h.wantGone(t, spec.Instance.ID, 5*time.Second)
	h.wantListed(t)
}

func testAdoptGone(t *testing.T, h *harness) {
	spec, handle := h.launch(t)
	h.join(t)
	if err := h.d.Terminate(t.Context(), spec.Instance.ID, handle); err != nil {
		t.Fatal(err)
	}
	h.restart(t)
	if err := h.d.Adopt(t.Context(), spec.Instance.ID, handle); err != nil {
		t.Fatal(err)
	}
	h.wantGone(t, spec.Instance.ID, goneLimit)
}

func testCancelled(t *testing.T, h *harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.d.Launch(ctx, h.spec()); err == nil {
		t.Fatal("launched")
	}
	h.wantListed(t)
}

func testMany(t *testing.T, h *harness) {
	const n = 4
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := h.d.Launch(t.Context(), h.spec()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range n {
		h.join(t)
	}
	h.endAll(t)
	for range n {
		select {
		case <-h.d.Gone():
		case <-time.After(5 * time.Second):
			t.Fatal("an end was not told")
		}
	}
	h.wantListed(t)
}
