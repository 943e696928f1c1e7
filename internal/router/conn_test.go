package router

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

// link is a connection and what its agent does.
func link(t *testing.T, agent func(net.Conn)) *conn {
	t.Helper()
	c, err := dial(listen(t, agent))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newConn(c)
}

// ask runs one call over c.
func ask(c *conn, in wire.Invoke, limit time.Duration) *call {
	k := newCall(nil, time.Now().Add(limit))
	if !c.run(k, &in) {
		k.err = errUnsent
	}
	return k
}

func respond(t *testing.T, c net.Conn, number uint32, body []byte) {
	t.Helper()
	if _, err := c.Write(wire.AppendAnswer(nil, number, wire.Result{Outcome: wire.OutcomeOK}, body)); err != nil {
		t.Error(err)
	}
}

// Answers come in any order, some in parts between others' answers, and each
// reaches its call.
func TestAnswersOutOfOrder(t *testing.T) {
	const calls = 200
	c := link(t, func(c net.Conn) {
		out, frames := wire.NewBatch(c), wire.NewFrames(c, 4<<10, 1<<20)
		var asked []*wire.Invoke
		var numbers []uint32
		for range calls {
			number, in, err := next(frames)
			if err != nil {
				t.Error(err)
				return
			}
			asked, numbers = append(asked, in), append(numbers, number)
		}
		var writing sync.WaitGroup
		for _, i := range rand.Perm(calls) {
			writing.Go(func() {
				body := asked[i].Body
				for len(body) > 100 {
					_ = out.AddPart(numbers[i], body[:100])
					body = body[100:]
				}
				_ = out.AddAnswer(i%2 == 0, numbers[i], wire.Result{Outcome: wire.OutcomeOK, ContentType: asked[i].RequestID}, body)
			})
		}
		writing.Wait()
	})
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			in := wire.Invoke{RequestID: fmt.Sprint(i), Body: bytes.Repeat([]byte(fmt.Sprint(i)), rand.IntN(500))}
			if k := ask(c, in, time.Minute); k.err != nil || !bytes.Equal(k.body, in.Body) || k.res.ContentType != in.RequestID {
				t.Errorf("%d: %v, %q", i, k.err, k.body)
			}
		})
	}
	wg.Wait()
	if len(c.calls) != 0 {
		t.Errorf("%d calls are left", len(c.calls))
	}
}

// An agent that does not answer one call in time costs that one alone; what is
// on its way goes on, and a late answer is nobody's.
func TestLateCall(t *testing.T) {
	for _, reads := range []string{"late", "other"} { // who waits first reads for both
		t.Run(reads+" reads", func(t *testing.T) {
			release := make(chan struct{})
			c := link(t, func(c net.Conn) {
				frames := wire.NewFrames(c, 4<<10, 1<<20)
				numbers := map[string]uint32{}
				for range 2 {
					number, in, err := next(frames)
					if err != nil {
						t.Error(err)
						return
					}
					numbers[in.RequestID] = number
				}
				<-release
				respond(t, c, numbers["late"], []byte("nobody's"))
				respond(t, c, numbers["other"], []byte("fine"))
			})
			var wg sync.WaitGroup
			first := make(chan struct{})
			run := func(id string, limit time.Duration, check func(*call)) {
				if id != reads {
					<-first
				}
				wg.Go(func() { check(ask(c, wire.Invoke{RequestID: id}, limit)) })
				if id == reads {
					for len(c.reading) == 0 {
						time.Sleep(time.Millisecond)
					}
					close(first)
				}
			}
			wg.Go(func() {
				run("late", 50*time.Millisecond, func(k *call) {
					if k.err != errLate {
						t.Errorf("late: %v", k.err)
					}
					if c.usable() {
						t.Error("the connection takes more")
					}
					close(release)
				})
			})
			wg.Go(func() {
				run("other", time.Minute, func(k *call) {
					if k.err != nil || string(k.body) != "fine" {
						t.Errorf("other: %v, %q", k.err, k.body)
					}
				})
			})
			wg.Wait()
			if err := c.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the connection outlived its calls: %v", err)
			}
		})
	}
}

// An agent that reads nothing costs those it was not sent nothing: they may run
// elsewhere. What it was sent is lost.
func TestAgentThatReadsNothing(t *testing.T) {
	c := link(t, func(net.Conn) {})
	var wg sync.WaitGroup
	var lost, unsent atomic.Int64
	for range 400 {
		wg.Go(func() {
			k := ask(c, wire.Invoke{Body: make([]byte, 8<<10)}, 200*time.Millisecond)
			switch {
			case errors.Is(k.err, errUnsent):
				unsent.Add(1)
			case k.err != nil:
				lost.Add(1)
			default:
				t.Error("an answer from nobody")
			}
		})
	}
	wg.Wait()
	if unsent.Load() == 0 || lost.Load() == 0 {
		t.Errorf("%d lost, %d unsent", lost.Load(), unsent.Load())
	}
	if k := ask(c, wire.Invoke{}, time.Minute); k.err != errUnsent {
		t.Errorf("afterwards: %v", k.err)
	}
}

// When an agent dies, exactly those calls may run elsewhere of which it has not
// read the whole frame.
func TestAgentThatDiesBetweenFrames(t *testing.T) {
	const size = 8 << 10
	for range 20 {
		received := make(chan map[string]bool, 1)
		c := link(t, func(c net.Conn) {
			got, frames := map[string]bool{}, wire.NewFrames(c, 4<<10, 1<<20)
			for range 10 {
				_, in, err := next(frames)
				if err != nil {
					t.Error(err)
					return
				}
				got[in.RequestID] = true
			}
			c.Close()
			received <- got
		})
		var mu sync.Mutex
		again := map[string]bool{}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				id := fmt.Sprint(i)
				k := ask(c, wire.Invoke{RequestID: id, Body: make([]byte, size)}, time.Minute)
				if k.err == nil {
					t.Error("an answer from nobody")
				}
				if errors.Is(k.err, errUnsent) {
					mu.Lock()
					defer mu.Unlock()
					again[id] = true
				}
			})
		}
		wg.Wait()
		for id := range <-received {
			if again[id] {
				t.Errorf("%s reached the agent and would run twice", id)
			}
		}
	}
}

// Small calls share a connection; a large one has its own, which is kept.
func TestConnectionsPerAgent(t *testing.T) {
	var opened atomic.Int64
	r := newRouter(t)
	addr := listen(t, func(c net.Conn) {
		opened.Add(1)
		serve(c, func(in *wire.Invoke) (wire.Result, []byte) {
			time.Sleep(5 * time.Millisecond)
			return echo(in)
		})
	})
	run := func(size, times int) {
		var wg sync.WaitGroup
		for range times {
			wg.Go(func() {
				k := newCall(nil, time.Now().Add(time.Minute))
				if err := r.pools.run(addr, k, &wire.Invoke{Body: make([]byte, size)}); err != nil || k.err != nil || len(k.body) != size {
					t.Errorf("%v, %v, %d bytes", err, k.err, len(k.body))
				}
			})
		}
		wg.Wait()
	}
	run(100, 50)
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for small calls", n)
	}
	for range 3 {
		run(1<<20, 1)
	}
	if n := opened.Load(); n != 2 {
		t.Errorf("%d connections with large ones in turn", n)
	}
	run(1<<20, 4)
	if n := opened.Load(); n < 4 || n > 5 {
		t.Errorf("%d connections with four large ones at once", n)
	}
}

// A burst that fills the sockets in both directions comes through, though the
// agent's reader itself writes the refusals.
func TestBurstBothWays(t *testing.T) {
	for _, c := range []struct{ calls, size, refused int }{{400, 12 << 10, 4}, {200, 8 << 10, 4}, {400, 4 << 10, 4}, {1000, 12 << 10, 10}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			link := link(t, func(conn net.Conn) {
				out := wire.NewBatch(conn)
				var running sync.WaitGroup
				defer running.Wait()
				n := 0
				for frames := wire.NewFrames(conn, 32<<10, 1<<20); ; n++ {
					number, in, err := next(frames)
					if err != nil {
						return
					}
					answer := func(o wire.Outcome, body []byte) {
						_ = out.AddAnswer(true, number, wire.Result{Outcome: o}, body)
					}
					if n%c.refused == 0 {
						answer(wire.OutcomeBusy, nil)
					} else {
						running.Go(func() { answer(wire.OutcomeOK, in.Body) })
					}
				}
			})
			var wg sync.WaitGroup
			for range c.calls {
				wg.Go(func() {
					if k := ask(link, wire.Invoke{Body: make([]byte, c.size)}, time.Minute); k.err != nil {
						t.Error(k.err)
					}
				})
			}
			wg.Wait()
			link.Close()
		})
	}
}

// Calls to an agent that can't be reached wait for one dial, not for each other's.
func TestUnreachableAgentIsDialledOnceForAll(t *testing.T) {
	var dials atomic.Int64
	p := pools{dial: func(string) (net.Conn, error) {
		dials.Add(1)
		time.Sleep(100 * time.Millisecond)
		return nil, errors.New("no route")
	}}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := p.run("tcp://nobody", newCall(nil, time.Now().Add(time.Minute)), &wire.Invoke{}); err == nil {
				t.Error("an answer from nobody")
			}
		})
	}
	wg.Wait()
	if n := dials.Load(); n > 3 { // who comes late dials for itself
		t.Errorf("%d dials", n)
	}
}

// A large call that finds no connection takes none from the small ones, and a
// retired connection is replaced without a call noticing.
func TestSharedConnectionIsReplaced(t *testing.T) {
	r := newRouter(t)
	addr, refuse := agent(t, echo), false
	r.pools.dial = func(addr string) (net.Conn, error) {
		if refuse {
			return nil, errors.New("no descriptor is free")
		}
		return dial(addr)
	}
	run := func(size int) error {
		k := newCall(nil, time.Now().Add(time.Minute))
		return errors.Join(r.pools.run(addr, k, &wire.Invoke{Body: make([]byte, size)}), k.err)
	}
	if err := run(1); err != nil {
		t.Fatal(err)
	}
	refuse = true
	if err := run(1 << 20); err == nil {
		t.Error("a large call over the shared connection")
	}
	if err := run(1); err != nil {
		t.Errorf("small call after a large one failed: %v", err)
	}
	refuse = false
	r.pools.of(addr).current().retire()
	if err := run(1); err != nil {
		t.Errorf("after retirement: %v", err)
	}
}

// The connections to agents that have ended are not kept.
func TestEndedAgentsAreForgotten(t *testing.T) {
	r := newRouter(t)
	kept := func() (n int) {
		for range r.pools.perTo.Range {
			n++
		}
		return n
	}
	for _, size := range []int{1, 1 << 20} { // shared, and a connection of its own
		ends := make(chan struct{})
		gone := make(chan struct{})
		addr := listen(t, func(c net.Conn) {
			go func() { <-ends; c.Close() }() // ends with the test of this size
			serve(c, echo)
			close(gone)
		})
		lives := agent(t, echo)
		for _, a := range []string{addr, lives} {
			if err := r.pools.run(a, newCall(nil, time.Now().Add(time.Minute)), &wire.Invoke{Body: make([]byte, size)}); err != nil {
				t.Fatal(err)
			}
		}
		before := kept()
		r.Install("v", nil)
		if n := kept(); n != before {
			t.Errorf("%d agents are kept of %d that live", n, before)
		}
		close(ends)
		<-gone
		r.Remove("v")
		if n := kept(); n != before-1 {
			t.Errorf("%d agents are kept, %d live", n, before-1)
		}
	}
}

// What a pool gives up lets go of its buffers: a timer would keep them until the
// deadline of a call that ended long ago.
func TestRetiredConnectionKeepsNoTimer(t *testing.T) {
	c := link(t, func(c net.Conn) { serve(c, echo) })
	if k := ask(c, wire.Invoke{}, 15*time.Minute); k.err != nil {
		t.Fatal(k.err)
	}
	c.retire()
	if c.timer.Stop() {
		t.Error("its timer is still set")
	}
}

// A large call that ends after its agent was forgotten leaves no connection behind.
func TestConnectionOfAClosedPool(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	addr := agent(t, func(in *wire.Invoke) (wire.Result, []byte) {
		close(asked)
		<-goOn
		return echo(in)
	})
	p := pools{dial: dial}
	done := make(chan error, 1)
	go func() {
		done <- p.run(addr, newCall(nil, time.Now().Add(time.Minute)), &wire.Invoke{Body: make([]byte, 1<<20)})
	}()
	<-asked
	p.close()
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	for a := range p.perTo.Range {
		t.Errorf("connections to %s are kept", a)
	}
}

// An agent that can't be reached is not remembered, whatever was to be sent to it.
func TestUnreachableAgentIsForgotten(t *testing.T) {
	p := pools{dial: dial}
	for _, size := range []int{1, 1 << 20} {
		err := p.run("unix:///nowhere.sock", newCall(nil, time.Now().Add(time.Minute)), &wire.Invoke{Body: make([]byte, size)})
		if err == nil {
			t.Error("sent")
		}
		for a := range p.perTo.Range {
			t.Errorf("after %d bytes %s is kept", size, a)
		}
	}
}
