package e2e

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	slots   = 16
	minimum = 3 // environments a version has at least
)

func TestAllSlotsAtOnce(t *testing.T) {
	t.Run("go", func(t *testing.T) {
		p := makePlace(t, up(t))
		p.publish(t, p.goFunction(t, "crowd"))
		allSlotsAtOnce(t, p)
	})
	t.Run("python", func(t *testing.T) {
		needPython(t)
		p := makePlace(t, up(t))
		p.publish(t, p.pythonFunction(t, "crowd", demoPython(t)))
		allSlotsAtOnce(t, p)
	})
}

func allSlotsAtOnce(t *testing.T, p place) {
	const calls = slots * minimum
	p.bound(t, "crowd", minimum, minimum) // full slots would bring a fourth environment
	p.must(t, "crowd")
	replies, errs := callAtOnce(t, p, calls, 300*time.Millisecond)
	for i, err := range errs {
		if err != nil {
			t.Errorf("call %d of %d: %v", i, calls, err)
		}
	}
	environments := map[string]int{}
	for _, r := range replies {
		environments[r.Environment]++
	}
	peak := peakOverlap(replies)
	t.Logf("of %d calls of 300 ms, %d at the same moment at most; per environment %v", calls, peak, environments)
	if len(environments) != minimum {
		t.Errorf("%d environments answered, want %d", len(environments), minimum)
	}
	// More than two environments' slots: all three worked together. The rest is the machine's speed.
	if peak <= 2*slots {
		t.Errorf("only %d calls overlapped", peak)
	}
	oneTooMany(t, p)
}

// oneTooMany fills every slot for a while; a call more is turned away, not kept until one is free.
func oneTooMany(t *testing.T, p place) {
	var group sync.WaitGroup
	group.Go(func() {
		_, errs := callAtOnce(t, p, slots*minimum, 4*time.Second)
		for _, err := range errs {
			if err != nil {
				t.Errorf("a call that has a slot: %v", err)
			}
		}
	})
	time.Sleep(1500 * time.Millisecond) // the calls are on their way; they hold their slots for seconds
	_, err := call(t.Context(), p.Clients, "crowd", 49, time.Millisecond)
	answer, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || answer.HTTPStatusCode() != http.StatusTooManyRequests || code(err) != "TooManyRequestsException" {
		t.Errorf("the call too many got %v, want 429 TooManyRequestsException", err)
	}
	group.Wait()
	p.must(t, "crowd")
}

func callAtOnce(t *testing.T, p place, count int, sleep time.Duration) ([]reply, []error) {
	replies, errs := make([]reply, count), make([]error, count)
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() { replies[i], errs[i] = call(t.Context(), p.Clients, "crowd", i, sleep) })
	}
	group.Wait()
	return replies, errs
}

// peakOverlap is how many calls ran at the same moment at most, by the handlers' clocks.
func peakOverlap(replies []reply) (peak int) {
	type edge struct {
		at   float64
		step int
	}
	var edges []edge
	for _, r := range replies {
		if r.Started > 0 {
			edges = append(edges, edge{r.Started, 1}, edge{r.Ended, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.step, b.step)) })
	now := 0
	for _, e := range edges {
		now += e.step
		peak = max(peak, now)
	}
	return peak
}
