package e2e

import (
	"context"
	"maps"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/examples/setup"
)

func TestKilledInstanceIsReplaced(t *testing.T) {
	needProcFS(t)
	s := up(t)
	p := makePlace(t, s)
	p.publish(t, p.diary(t, "steady"))
	before := p.running(t)
	if len(before) != minimum {
		t.Fatalf("%d instances run, want %d", len(before), minimum)
	}
	victim := s.agents()[0]
	family := withDescendants([]int{victim})
	l := keepLedger(t, p, "steady")
	l.allow(chaosCallers) // what runs on it may fail, and nothing else: one caller has one call there at a time
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	until(t, 5*time.Second, "the instance's processes died with it", func() bool {
		return !slices.ContainsFunc(family, func(pid int) bool { _, alive := readProcess(pid); return alive })
	})
	t.Logf("all %d processes of the instance were gone after %s", len(family), time.Since(killed).Round(time.Millisecond))
	until(t, 30*time.Second, "another instance took the killed one's place", func() bool {
		now := p.running(t)
		return len(now) == minimum && len(s.agents()) == minimum && !sameIDs(before, now)
	})
	l.whole(s)
	if names := p.names(t, "steady"); len(names) != minimum {
		t.Errorf("environments %v answer", names)
	}
	t.Logf("three environments answered again %s after the kill", time.Since(killed).Round(time.Millisecond))
	l.close()
}

// sameIDs says whether both lists name the same instances.
func sameIDs(a, b []setup.Instance) bool {
	ids := func(list []setup.Instance) (all []string) {
		for _, i := range list {
			all = append(all, i.ID)
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(ids(a), ids(b))
}

func TestKilledServerFindsItsAgents(t *testing.T) {
	needProcFS(t)
	s := up(t)
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "lasting"))
	agents := s.agents()
	if len(agents) != minimum {
		t.Fatalf("agents %v, want %d", agents, minimum)
	}
	before := p.names(t, "lasting")
	s.kill()
	if left := s.agents(); !slices.Equal(agents, left) {
		t.Fatalf("after kill -9 of the server the agents are %v, want %v", left, agents)
	}
	start := time.Now()
	s.start()
	p.Clients = s.clients()
	until(t, 15*time.Second, "the restarted server invokes", func() bool {
		_, err := call(t.Context(), p.Clients, "lasting", 1, time.Millisecond)
		return err == nil
	})
	t.Logf("invoked %s after the restart began", time.Since(start).Round(time.Millisecond))
	until(t, 15*time.Second, "all environments are back", func() bool { return len(p.names(t, "lasting")) == minimum })
	time.Sleep(12 * time.Second) // longer than undecided instances count as present
	if now := s.agents(); !slices.Equal(agents, now) {
		t.Errorf("the agents are %v, were %v: not re-adopted", now, agents)
	}
	if now := p.names(t, "lasting"); !slices.Equal(before, now) {
		t.Errorf("environments are %v, were %v", now, before)
	}
	if n := len(p.running(t)); n != minimum {
		t.Errorf("%d instances run, want %d", n, minimum)
	}
}

// probes numbers the calls of names, apart from those of a ledger.
var probes atomic.Int64

// names gives the environments that answer when many calls come at once, sorted.
func (p place) names(t *testing.T, function string) []string {
	t.Helper()
	seen := map[string]bool{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 24 { // with a ledger's callers, no more than two environments' slots
		group.Go(func() {
			if r, err := call(t.Context(), p.Clients, function, int(1_000_000+probes.Add(1)), 150*time.Millisecond); err == nil {
				mu.Lock()
				defer mu.Unlock()
				seen[r.Environment] = true
			}
		})
	}
	group.Wait()
	return slices.Sorted(maps.Keys(seen))
}

func TestAgentsEndWithoutTheirServer(t *testing.T) {
	needProcFS(t)
	s := up(t, "--orphan", "3s")
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "orphan"))
	tr := s.traces()
	s.kill()
	until(t, 30*time.Second, "the agents have ended themselves", func() bool { return len(s.agents()) == 0 })
	// An agent can't remove the cgroup it sits in; the next start or `lamina down` does.
	if out, err := exec.Command(lamina, "down", "--data", s.data).CombinedOutput(); err != nil {
		t.Errorf("lamina down: %v, %s", err, out)
	}
	tr.checkGone(t)
}

func TestRunningCallsFinishAtStop(t *testing.T) {
	s := up(t)
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "slow"))
	done := make(chan error, 1)
	go func() {
		_, err := call(context.WithoutCancel(t.Context()), p.Clients, "slow", 3, 2*time.Second)
		done <- err
	}()
	time.Sleep(500 * time.Millisecond) // the call is in its handler by now
	s.stop()
	if err := <-done; err != nil {
		t.Errorf("a call that ran at SIGTERM: %v", err)
	}
}

// An agent that is stopped, not dead, gets no calls after some seconds, and its
// environments serve again once it goes on.
func TestStoppedInstanceIsLeftAlone(t *testing.T) {
	needProcFS(t)
	s := up(t)
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "steady"))
	stopped := s.agents()[0]
	for _, pid := range withDescendants([]int{stopped}) {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer syscall.Kill(pid, syscall.SIGCONT)
	}
	until(t, 30*time.Second, "the stopped instance is left alone", func() bool { return s.logged("an agent says nothing") })
	time.Sleep(300 * time.Millisecond) // the next round takes the routes away
	for i := range 40 {
		if _, err := call(t.Context(), p.Clients, "steady", i, time.Millisecond); err != nil {
			t.Errorf("a call while one of three instances is stopped: %v", err)
		}
	}
	for _, pid := range withDescendants([]int{stopped}) {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	until(t, 30*time.Second, "all three serve again", func() bool { return len(p.names(t, "steady")) == minimum })
}
