package e2e

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

var chaosSeed = flag.Uint64("chaos.seed", 0, "the sequence of faults that TestChaos draws; 0: always the same, in the slow suite a new one")

const chaosCap = 12 // vCPUs of the provider

// chaos is what may happen, by its number in targets.md 5.4.
var chaos = []struct {
	name   string
	happen func(l *ledger, s *server, rng *rand.Rand)
}{
	{"F5 an instance dies", func(l *ledger, s *server, rng *rand.Rand) {
		agents := s.agents()
		l.allow(chaosCallers)
		l.signal(syscall.SIGKILL, agents[rng.IntN(len(agents))])
	}},
	{"F6 an environment dies", func(l *ledger, s *server, rng *rand.Rand) {
		var runtimes []int
		for _, pid := range withDescendants(s.agents()) {
			if p, ok := readProcess(pid); ok && strings.Contains(p.line, "bootstrap") {
				runtimes = append(runtimes, pid)
			}
		}
		if len(runtimes) == 0 {
			l.Fatal("no runtime is to be seen")
		}
		l.allow(chaosCallers)
		l.signal(syscall.SIGKILL, runtimes[rng.IntN(len(runtimes))])
	}},
	{"F8, F18 a zone is lost and launches nothing", func(l *ledger, s *server, rng *rand.Rand) {
		zone := region + string(rune('a'+rng.IntN(3)))
		l.allow(chaosCallers)
		if out, err := s.command(nil, "outage", zone); err != nil {
			l.Errorf("lamina outage: %v, %s", err, out)
		}
		time.Sleep(2 * time.Second)
		if out, err := s.command(nil, "outage", "--over", zone); err != nil {
			l.Errorf("lamina outage --over: %v, %s", err, out)
		}
	}},
	{"F9 the server is gone for a while", func(l *ledger, s *server, rng *rand.Rand) {
		l.blind(s, func() {
			l.allow(chaosCallers)
			resume := l.pause()
			defer resume()
			s.kill()
			time.Sleep(time.Duration(rng.IntN(4)) * time.Second)
			s.start()
			until(l.T, startLimit, "the restarted server invokes", func() bool {
				_, err := call(l.Context(), l.Clients, l.name, l.number(), time.Millisecond)
				return err == nil
			})
		})
	}},
	{"F11 an instance is stopped for a while", func(l *ledger, s *server, rng *rand.Rand) {
		l.blind(s, func() {
			agents := s.agents()
			all := withDescendants([]int{agents[rng.IntN(len(agents))]})
			l.allow(chaosCallers) // a call in it outlives its time
			l.signal(syscall.SIGSTOP, all...)
			time.Sleep(time.Duration(1+rng.IntN(9)) * time.Second)
			l.signal(syscall.SIGCONT, all...)
		})
	}},
	{"F13 an environment is ten times as slow", func(l *ledger, _ *server, _ *rand.Rand) { l.slowOne() }},
	{"F17 a generation that can't start", func(l *ledger, _ *server, _ *rand.Rand) { l.publishBroken() }},
	{"F19 far more callers than slots", func(l *ledger, _ *server, _ *rand.Rand) { l.crowd(10 * minimum * slots) }},
	{"F20 a new generation", func(l *ledger, _ *server, _ *rand.Rand) { l.publishAnew() }},
	{"F20 an environment more, and gone again", func(l *ledger, s *server, _ *rand.Rand) {
		l.bound(l.T, l.name, minimum+1, minimum+1)
		until(l.T, growLimit, "four instances run", func() bool { return len(l.running(l.T)) == minimum+1 })
		l.bound(l.T, l.name, minimum, minimum)
	}},
}

func (l *ledger) signal(sig syscall.Signal, pids ...int) {
	l.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && sig == syscall.SIGSTOP {
			l.Errorf("%v to %d: %v", sig, pid, err)
		}
	}
}

// blind holds the server to ending and starting nothing for what it does not see.
func (l *ledger) blind(s *server, while func()) {
	before, agents := l.running(l.T), s.agents()
	while()
	l.whole(s)
	// Agents of a former generation may be on their way out; new ones there are none.
	fresh := slices.DeleteFunc(s.agents(), func(pid int) bool { return slices.Contains(agents, pid) })
	if now := l.running(l.T); !sameIDs(before, now) || len(fresh) > 0 {
		l.Errorf("instances were %v in processes %v; after what the server did not see they are %v, with new processes %v", before, agents, now, fresh)
	}
}

// slowOne makes one environment slow. The router can't know, but sees that its
// calls stay: of three it gets far less than a third.
func (l *ledger) slowOne() {
	l.mu.Lock()
	slow, from := l.replies[len(l.replies)-1].Environment, l.next
	l.slow = slow
	l.mu.Unlock()
	time.Sleep(4 * time.Second)
	l.mu.Lock()
	l.slow = ""
	l.mu.Unlock()
	by := l.since(from)
	all := 0
	for _, replies := range by {
		all += len(replies)
	}
	if n := len(by[slow]); n == 0 || 4*n > all {
		l.Errorf("of %d calls %d were answered by the slow environment", all, n)
	} else {
		l.Logf("of %d calls %d were answered by the slow environment", all, n)
	}
}

// publishAnew is a new generation: no call fails, once it is Active all of its
// minimum serve (I8), and none of the environments before it does (I5).
func (l *ledger) publishAnew() {
	l.Helper()
	old := l.since(0)
	l.publish(l.T, l.diary(l.T, l.name))
	l.retire(old)
	if n := l.atOnce(minimum*slots-chaosCallers-4, 300*time.Millisecond); n > 0 {
		l.Errorf("%d calls were refused just after a generation turned active, with a slot for each in its %d environments", n, minimum)
	}
}

// publishBroken is a generation that never starts: the one before it serves on, so
// that no call fails (I8), and makes room for the next good one.
func (l *ledger) publishBroken() {
	l.Helper()
	bad := l.diary(l.T, l.name)
	var err error
	if bad.Zip, err = setup.Zip(map[string][]byte{"bootstrap": []byte("#!/bin/sh\nexit 3\n")}); err != nil {
		l.Fatal(err)
	}
	if err := l.Publish(l.Context(), bad); err != nil {
		l.Fatal(err)
	}
	if err := l.WaitActive(l.Context(), l.name, activeLimit); err == nil {
		l.Error("a version whose runtime exits is active")
	} else {
		l.Logf("the bad version: %v", err)
	}
	time.Sleep(500 * time.Millisecond) // calls after it
	l.publishAnew()
}

// crowd lets far more call than there are slots: each gets its answer or 429.
func (l *ledger) crowd(callers int) {
	l.mu.Lock()
	from := l.next
	l.mu.Unlock()
	refused := l.atOnce(callers, 300*time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crowds = append(l.crowds, [2]int{from, l.next})
	if refused == 0 {
		l.Errorf("none of %d calls at once was refused, with %d slots", callers, minimum*slots)
	}
}

// chaoticPlace has a provider with a small cap and a function with a ledger.
func chaoticPlace(t *testing.T, s *server) *ledger {
	t.Helper()
	p := makeGround(t, s)
	var err error
	p.vcpus = chaosCap
	p.provider, err = p.Provider(t.Context(), "main", p.network, p.operator, &types.CapacityProviderScalingConfig{MaxVCpuCount: new(int32(chaosCap))})
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, p.diary(t, "diary"))
	p.bound(t, "diary", minimum, minimum) // so that what the ledger waits for is one state
	l := keepLedger(t, p, "diary")
	l.whole(s)
	until(t, activeLimit, "calls have been answered", func() bool { return len(l.since(0)) > 0 })
	return l
}

// Faults in a random order on real processes, and one ledger over all of them.
// Each once in an ordinary run; the slow suite has thirty, of a seed of its own.
func TestChaos(t *testing.T) {
	needProcFS(t)
	slow := os.Getenv("LAMINA_TEST_SLOW") != ""
	seed := cmp.Or(*chaosSeed, 3)
	if slow && *chaosSeed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("again: go test ./test/e2e -run TestChaos -chaos.seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 5))
	order := rng.Perm(len(chaos))
	for slow && len(order) < 30 {
		order = append(order, rng.IntN(len(chaos)))
	}
	s := up(t)
	l := chaoticPlace(t, s)
	for _, i := range order {
		start := time.Now()
		chaos[i].happen(l, s, rng)
		time.Sleep(500 * time.Millisecond) // it is noticed
		l.whole(s)
		t.Logf("%s: whole again after %s", chaos[i].name, time.Since(start).Round(time.Millisecond))
	}
	l.close()
}
