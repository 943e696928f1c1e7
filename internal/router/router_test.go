package router

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// agent answers invocations on a unix socket as a real one does, with handle as the runtime.
func agent(t *testing.T, handle func(*wire.Invoke) (wire.Result, []byte)) string {
	t.Helper()
	return listen(t, func(c net.Conn) { serve(c, handle) })
}

// listen serves connections on a unix socket.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); close(ended); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { handle(c) })
			serving.Go(func() { <-ended; c.Close() })
		}
	})
	return "unix://" + path
}

// serve answers all invocations of a connection at once.
func serve(c net.Conn, handle func(*wire.Invoke) (wire.Result, []byte)) {
	defer c.Close()
	out := wire.NewBatch(c)
	var running sync.WaitGroup
	defer running.Wait()
	for frames := wire.NewFrames(c, 4<<10, 8<<20); ; {
		number, in, err := next(frames)
		if err != nil {
			return
		}
		running.Go(func() {
			res, body := handle(in)
			_ = out.AddAnswer(true, number, res, body)
		})
	}
}

func next(frames *wire.Frames) (uint32, *wire.Invoke, error) {
	f, err := frames.Next()
	if err != nil {
		return 0, nil, err
	}
	in, err := f.Invoke()
	return f.Call, in, err
}

func echo(in *wire.Invoke) (wire.Result, []byte) {
	return wire.Result{Outcome: wire.OutcomeOK, ContentType: "application/json"}, in.Body
}

func newRouter(t *testing.T) *Router {
	r := New()
	t.Cleanup(func() { r.Drain(t.Context()) })
	return r
}

func TestEachRequestGetsItsOwnAnswer(t *testing.T) {
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e1", Addr: agent(t, echo), Slots: 64}, {EnvironmentID: "e2", Addr: agent(t, echo), Slots: 64}})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			want := fmt.Sprintf(`{"n":%d}`, i)
			res, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", RequestID: fmt.Sprint(i), Timeout: time.Second, Payload: []byte(want)})
			if err != nil || string(res.Payload) != want {
				t.Errorf("got %s, %v; want %s", res.Payload, err, want)
			}
		})
	}
	wg.Wait()
}

func TestOneMoreThanTheSlotsIsRefusedAtOnce(t *testing.T) {
	release := make(chan struct{})
	var running atomic.Int64
	hold := func(in *wire.Invoke) (wire.Result, []byte) {
		running.Add(1)
		<-release
		return echo(in)
	}
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e1", Addr: agent(t, hold), Slots: 2}, {EnvironmentID: "e2", Addr: agent(t, hold), Slots: 2}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Minute}); err != nil {
				t.Error(err)
			}
		})
	}
	for running.Load() < 4 {
		time.Sleep(time.Millisecond)
	}
	_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Minute})
	if lamina.ErrorCode(err) != lamina.CodeTooManyRequests {
		t.Errorf("fifth call: %v", err)
	}
	if l := r.Load("v"); l.InFlight != 4 || l.Refused != 1 {
		t.Errorf("load %+v", l)
	}
	close(release)
	wg.Wait()
}

func TestRefusingAgentSendsTheInvocationElsewhere(t *testing.T) {
	busy := func(*wire.Invoke) (wire.Result, []byte) { return wire.Result{Outcome: wire.OutcomeBusy}, nil }
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e1", Addr: agent(t, busy), Slots: 16}, {EnvironmentID: "e2", Addr: agent(t, echo), Slots: 16}, {EnvironmentID: "e3", Addr: "unix:///nowhere.sock", Slots: 16}})
	for range 50 {
		res, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Second, Payload: []byte("1")})
		if err != nil || res.EnvironmentID != "e2" {
			t.Fatalf("got %+v, %v", res, err)
		}
	}
}

func TestAnAgentThatDiesMidwayIsNotTriedElsewhere(t *testing.T) {
	var calls atomic.Int64
	path := filepath.Join(t.TempDir(), "a.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _, _ = next(wire.NewFrames(c, 4<<10, 1<<20))
		c.Close()
	})
	count := func(in *wire.Invoke) (wire.Result, []byte) { calls.Add(1); return echo(in) }
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "dies", Addr: "unix://" + path, Slots: 1}})
	_, err = r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Second})
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "lives", Addr: agent(t, count), Slots: 1}})
	if lamina.ErrorCode(err) != lamina.CodeServiceException || calls.Load() != 0 {
		t.Errorf("got %v, %d calls elsewhere", err, calls.Load())
	}
}

func TestColdStartWaitsForTheRoute(t *testing.T) {
	r := newRouter(t)
	addr := agent(t, echo)
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			res, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Second, ColdStart: time.Minute, Payload: fmt.Append(nil, i)})
			if err != nil || string(res.Payload) != fmt.Sprint(i) {
				t.Errorf("got %s, %v", res.Payload, err)
			}
		})
	}
	<-r.Demand()
	for r.Load("v").Waiting < 5 {
		time.Sleep(time.Millisecond)
	}
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e1", Addr: addr, Slots: 1}}) // one slot serves all five in turn
	wg.Wait()
}

func TestColdStartFailureReachesTheCaller(t *testing.T) {
	r := newRouter(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		res, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", RequestID: "id", Timeout: time.Second, ColdStart: time.Minute})
		if err != nil || !res.FunctionError || res.ErrorType != "Runtime.ImportModuleError" {
			t.Errorf("got %+v, %v", res, err)
		}
	})
	<-r.Demand()
	r.Fail("v", "Runtime.ImportModuleError", "Unable to import module 'app'")
	wg.Wait()
}

// Invocations may still come while the router drains; each is refused or runs to
// its end before Drain returns.
func TestDrainWhileInvocationsCome(t *testing.T) {
	addr := agent(t, echo)
	for range 200 {
		r := New()
		r.Install("v", []lamina.Endpoint{{EnvironmentID: "e", Addr: addr, Slots: 8}})
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				for {
					_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", FunctionKey: "f", Payload: []byte("{}"), Timeout: time.Minute})
					if code := codeOf(err); code == lamina.CodeServiceNotRunning {
						return
					} else if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		r.Drain(t.Context())
		calls.Wait()
	}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*lamina.Error](err); ok {
		return e.Code
	}
	return ""
}
