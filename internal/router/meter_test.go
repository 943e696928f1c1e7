package router

import (
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

func TestMetersCountEveryInvocationOnce(t *testing.T) {
	fail := func(in *wire.Invoke) (wire.Result, []byte) {
		if len(in.Body) > 1 {
			return wire.Result{Outcome: wire.OutcomeFunctionError, ErrorType: "Handled"}, nil
		}
		return echo(in)
	}
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e1", Addr: agent(t, fail), Slots: 64}})
	start := time.Now()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			body := []byte("1")
			if i%4 == 0 {
				body = []byte("22")
			}
			for {
				_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", FunctionARN: "a", Timeout: time.Minute, Payload: body})
				if lamina.ErrorCode(err) != lamina.CodeTooManyRequests {
					return
				}
			}
		})
	}
	ran, errs, peak := 0.0, int64(0), int64(0)
	take := func() {
		for _, m := range r.Meters(start) {
			ran, errs, peak = ran+m.Duration.Count, errs+m.Errors, max(peak, m.Peak)
		}
	}
	for range 50 {
		take()
	}
	wg.Wait()
	take()
	if ran != 200 || errs != 50 || peak < 1 || peak > 64 {
		t.Errorf("%v ran, %d failed, %d at once", ran, errs, peak)
	}
	if l := r.Load("v"); l.Served != 200 {
		t.Errorf("the controller sees %d", l.Served)
	}
	if later := r.Meters(start.Add(meterIdle + time.Second)); len(later) != 0 {
		t.Errorf("idle, and %+v", later)
	}
	for range r.meters.byKey.Range {
		t.Error("an idle meter stays")
	}
	// One that comes back counts again.
	if _, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", FunctionARN: "a", Timeout: time.Minute, Payload: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if again := r.Meters(start); len(again) != 1 || again[0].Duration.Count != 1 {
		t.Errorf("got %+v", again)
	}
}

func TestMetersCountRefusals(t *testing.T) {
	r := newRouter(t)
	for range 3 {
		_, _ = r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", FunctionARN: "a", Timeout: time.Second})
		_, _ = r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", FunctionARN: "a", Timeout: time.Second, Reserved: new(int32(0))})
	}
	if m := r.Meters(time.Now()); len(m) != 1 || m[0].Refused != 6 || m[0].Duration.Count != 0 || m[0].Peak != 0 {
		t.Errorf("got %+v", m)
	}
	if l := r.Load("v"); l.Refused != 3 {
		t.Errorf("the controller sees %d", l.Refused)
	}
}

// BenchmarkMeter is what counting adds to one invocation.
func BenchmarkMeter(b *testing.B) {
	r := New()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		took := time.Millisecond
		for pb.Next() {
			m := r.meters.begin("000000000000/us-east-1/f/$LATEST.PUBLISHED", "arn:aws:lambda:us-east-1:000000000000:function:f")
			m.run()
			m.stop()
			m.ran(took, false)
			m.end()
			took += time.Microsecond
		}
	})
}
