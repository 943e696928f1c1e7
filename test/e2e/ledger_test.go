package e2e

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/lamina-dev/lamina/examples/setup"
)

const (
	chaosCallers = 8
	callLimit    = 35 * time.Second // function's timeout, 3 s, and what a busy machine adds
	callSleep    = 80 * time.Millisecond
)

// ledger is the one checker of all faults. It calls all along and holds each call
// to what targets.md 5.3 promises: one answer, its own, within its time (I3); not
// run twice (I4); none by an environment that was taken out of service before it
// (I5); no environment with more at once than its slots (I6); the provider never
// beyond its cap (I7). How many may fail is said by whoever injects.
type ledger struct {
	*testing.T
	place
	name string
	stop context.CancelFunc
	wait sync.WaitGroup
	open sync.RWMutex // held for writing while nobody shall call

	mu      sync.Mutex
	next    int
	slow    string // the environment that shall be ten times as slow; "": none
	replies []reply
	refused []int          // numbers of calls
	crowds  [][2]int       // calls from one to before another that may be refused
	retired map[string]int // environments and the first call that none of them may answer
	failed  map[string]int // texts of the others
	allowed int            // how many of these there may be
}

// keepLedger starts to call a function that keeps a diary.
func keepLedger(t *testing.T, p place, name string) *ledger {
	ctx, stop := context.WithCancel(t.Context())
	l := &ledger{T: t, place: p, name: name, stop: stop, failed: map[string]int{}, retired: map[string]int{}}
	for range chaosCallers {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				l.open.RLock()
				n := l.number()
				l.open.RUnlock()
				l.call(n, callSleep)
			}
		})
	}
	l.wait.Go(func() {
		for ctx.Err() == nil && p.vcpus > 0 {
			l.checkCap()
			time.Sleep(200 * time.Millisecond)
		}
	})
	t.Cleanup(func() { l.stop(); l.wait.Wait() })
	return l
}

// number is the next call's.
func (l *ledger) number() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next - 1
}

// pause keeps the callers from new calls until the returned function is called.
func (l *ledger) pause() (resume func()) {
	l.open.Lock()
	return sync.OnceFunc(l.open.Unlock)
}

func (l *ledger) call(n int, sleep time.Duration) {
	l.mu.Lock()
	slow := l.slow
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.Context()), callLimit)
	defer cancel()
	start := time.Now()
	r, err := callWith(ctx, l.Clients, l.name, n, fmt.Appendf(nil, `{"n":%d,"sleep":%f,"slow":%q}`, n, sleep.Seconds(), slow)) // tells of another's answer
	if ctx.Err() != nil {
		l.Errorf("call %d had no answer within %s", n, callLimit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.replies = append(l.replies, r)
	case code(err) == "TooManyRequestsException":
		l.refused = append(l.refused, n)
	default:
		text := strings.ReplaceAll(err.Error(), strconv.Itoa(n), "N")
		if l.failed[text]++; l.failed[text] < 4 {
			l.Logf("call %d, after %s: %v", n, time.Since(start).Round(time.Millisecond), err)
		}
	}
}

// atOnce makes so many calls more than the ledger's own at one time, and gives
// how many calls were refused meanwhile.
func (l *ledger) atOnce(callers int, sleep time.Duration) (refused int) {
	l.mu.Lock()
	before := len(l.refused)
	l.mu.Unlock()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() { l.call(l.number(), sleep) })
	}
	group.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.refused) - before
}

// since gives the answers to calls from a number on, by environment.
func (l *ledger) since(n int) map[string][]reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	by := map[string][]reply{}
	for _, r := range l.replies {
		if r.N >= n {
			by[r.Environment] = append(by[r.Environment], r)
		}
	}
	return by
}

// retire says that these environments are out of service: no call from now on may reach them.
func (l *ledger) retire(environments map[string][]reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := range environments {
		if _, already := l.retired[e]; !already {
			l.retired[e] = l.next
		}
	}
}

// checkCap is I7.
func (l *ledger) checkCap() {
	l.open.RLock()
	defer l.open.RUnlock()
	list, err := l.EC2.Instances(context.WithoutCancel(l.Context()), true)
	if err != nil {
		l.Errorf("list instances: %v", err)
		return
	}
	vcpus := 0
	for _, i := range list {
		if !strings.HasSuffix(i.Type, ".large") { // two vCPUs, enough for this function
			l.Errorf("an instance of type %s", i.Type)
		}
		if i.State != "terminated" {
			vcpus += 2
		}
	}
	if vcpus > l.vcpus {
		l.Errorf("%d vCPUs are launched, the cap is %d", vcpus, l.vcpus)
	}
}

// allow lets so many calls more fail: those that were in what has just died.
func (l *ledger) allow(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed += n
}

// close ends the calls and draws the balance.
func (l *ledger) close() {
	l.Helper()
	l.stop()
	l.wait.Wait()
	failed := 0
	for _, n := range l.failed {
		failed += n
	}
	l.Logf("%d calls: %d answered, %d refused, %d failed of %d that might", l.next, len(l.replies), len(l.refused), failed, l.allowed)
	if failed > l.allowed {
		l.Errorf("%d calls failed, %d might: %v", failed, l.allowed, l.failed)
	}
	for _, n := range l.refused {
		if !slices.ContainsFunc(l.crowds, func(c [2]int) bool { return c[0] <= n && n < c[1] }) {
			l.Errorf("call %d was refused with %d callers and %d slots", n, chaosCallers, minimum*slots)
		}
	}
	for name, replies := range l.since(0) {
		if most := peakOverlap(replies); most > slots {
			l.Errorf("environment %s had %d at once, its slots are %d", name, most, slots)
		}
		for _, r := range replies {
			if from, out := l.retired[name]; out && r.N >= from {
				l.Errorf("call %d went to environment %s, which was out of service before call %d", r.N, name, from)
			}
		}
	}
	l.checkOnce()
}

// checkOnce is I4, by what the function wrote down. Lines may be lost with an
// instance; none may be there twice.
func (l *ledger) checkOnce() {
	seen := map[string]int{}
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(l.Logs, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: new("/aws/lambda/" + l.name), FilterPattern: new("diary"),
	})
	line := regexp.MustCompile(`diary \d+\.`)
	for pages.HasMorePages() {
		page, err := pages.NextPage(l.Context())
		if err != nil {
			l.Fatalf("read the function's log: %v", err)
		}
		for _, e := range page.Events {
			one := line.FindString(*e.Message)
			if seen[one]++; one != "" && seen[one] == 2 {
				l.Errorf("handed to a runtime twice: %s", *e.Message)
			}
		}
	}
	if len(seen) < len(l.replies)/2 {
		l.Errorf("the function's log has %d of %d calls: it proves nothing", len(seen), len(l.replies))
	}
}

// whole waits until the version has its environments again.
func (l *ledger) whole(s *server) {
	l.Helper()
	until(l.T, 60*time.Second, "the version is whole again", func() bool {
		return slices.Equal(s.explain(l.name), []string{"as-it-should-be"}) && len(l.running(l.T)) == minimum
	})
}

// diaryCode is the code package of the function that writes down its events.
var diaryCode = handlerCode("test/e2e/diary")

func (p place) diary(t *testing.T, name string) setup.Function {
	t.Helper()
	f := p.goFunction(t, name)
	var err error
	if f.Zip, err = diaryCode(); err != nil {
		t.Fatal(err)
	}
	return f
}
