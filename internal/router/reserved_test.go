package router

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

func reason(err error) string {
	if e, ok := errors.AsType[*lamina.Error](err); ok {
		return e.Code + " " + e.Reason
	}
	return fmt.Sprint(err)
}

const reservedRefusal = lamina.CodeTooManyRequests + " " + ReasonReserved

// TestReservedConcurrencyIsExact: of many callers of two versions never more
// than the reserved number run, and as many as that do.
func TestReservedConcurrencyIsExact(t *testing.T) {
	const reserved, callers, rounds = 5, 32, 30
	var running, peak, refused atomic.Int64
	addr := agent(t, func(in *wire.Invoke) (wire.Result, []byte) {
		n := running.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		time.Sleep(time.Millisecond) // so that calls overlap; nothing depends on it
		running.Add(-1)
		return echo(in)
	})
	r := newRouter(t)
	for _, v := range []string{"f:1", "f:2"} {
		r.Install(v, []lamina.Endpoint{{EnvironmentID: v + "a", Addr: addr, Slots: 64}, {EnvironmentID: v + "b", Addr: addr, Slots: 64}})
	}
	limit := int32(reserved)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for range rounds {
				_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: fmt.Sprintf("f:%d", 1+i%2), FunctionKey: "f", Reserved: &limit, Timeout: time.Minute})
				switch {
				case err == nil:
				case reason(err) == reservedRefusal:
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if peak.Load() > reserved || refused.Load() == 0 {
		t.Errorf("%d ran at once, %d were refused", peak.Load(), refused.Load())
	}
	if n := counter(&r.running, "f").n.Load(); n != 0 {
		t.Errorf("%d are still counted", n)
	}
	if l := r.Load("f:1"); l.Refused != 0 {
		t.Errorf("a reserved limit asks for environments: %+v", l)
	}
}

// TestReservedConcurrencyCountsColdStarts, and calls that began before there
// was a limit.
func TestReservedConcurrencyCountsColdStarts(t *testing.T) {
	r := newRouter(t)
	invoke := func(reserved *int32) error {
		_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "f:1", FunctionKey: "f", Reserved: reserved, Timeout: time.Second, ColdStart: time.Minute})
		return err
	}
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if err := invoke(nil); err != nil {
				t.Error(err)
			}
		})
	}
	for r.Load("f:1").Waiting < 2 {
		time.Sleep(time.Millisecond)
	}
	for _, limit := range []int32{0, 1, 2} {
		if err := invoke(&limit); reason(err) != reservedRefusal {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	r.Install("f:1", []lamina.Endpoint{{EnvironmentID: "e", Addr: agent(t, echo), Slots: 1}})
	group.Wait()
	if limit := int32(1); invoke(&limit) != nil {
		t.Error("the only call was refused")
	}
}

// TestAccountsConcurrencyIsShared by its functions without one of their own, and
// by nobody else.
func TestAccountsConcurrencyIsShared(t *testing.T) {
	const limit, callers = 3, 8
	var running atomic.Int64
	full, go1 := make(chan struct{}), make(chan struct{})
	addr := agent(t, func(in *wire.Invoke) (wire.Result, []byte) {
		if running.Add(1) == limit {
			close(full)
		}
		<-go1
		return echo(in)
	})
	r := newRouter(t)
	for _, v := range []string{"f:1", "g:1", "h:1"} {
		r.Install(v, []lamina.Endpoint{{EnvironmentID: v, Addr: addr, Slots: 64}})
	}
	invoke := func(function string, reserved *int32, account string) error {
		_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: function + ":1", FunctionKey: function, Reserved: reserved, Account: account, Unreserved: limit, Timeout: time.Minute})
		return err
	}
	var group sync.WaitGroup
	var refused atomic.Int64
	for i := range callers {
		group.Go(func() {
			switch err := invoke([]string{"f", "g"}[i%2], nil, "here"); {
			case err == nil:
			case reason(err) == lamina.CodeTooManyRequests+" "+ReasonThrottled:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	<-full
	for refused.Load() < callers-limit {
		time.Sleep(time.Millisecond)
	}
	close(go1)
	for name, err := range map[string]error{"reserved": invoke("h", new(int32(1)), ""), "elsewhere": invoke("g", nil, "there")} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	group.Wait()
	if err := invoke("f", nil, "here"); err != nil || counter(&r.account, "here").n.Load() != 0 || counter(&r.running, "f").n.Load() != 0 {
		t.Errorf("afterwards: %v", err)
	}
}
