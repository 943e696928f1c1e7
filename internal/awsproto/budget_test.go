package awsproto

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestBudgetWaitsForOthersAndThenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(800)
		if !b.acquire(t.Context(), 700, 0) {
			t.Fatal("an empty budget refused")
		}
		start := time.Now()
		if b.acquire(t.Context(), 200, 0) || time.Since(start) != budgetWait {
			t.Errorf("over its size, after %v", time.Since(start))
		}
		got := make(chan bool)
		go func() { got <- b.acquire(t.Context(), 200, 0) }()
		synctest.Wait()
		b.release(700)
		if !<-got || b.Used() != 200 {
			t.Errorf("what came back was not given on; %d used", b.Used())
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { got <- b.acquire(ctx, 700, 0) }()
		synctest.Wait()
		cancel()
		if <-got {
			t.Error("given to a caller who had gone")
		}
	})
}

func TestLargeBodiesLeaveRoomForSmallOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(8 << 20)
		if !b.acquire(t.Context(), 7<<20, 0) || b.acquire(t.Context(), smallBody, 1) || !b.acquire(t.Context(), smallBody, 0) {
			t.Error("the last eighth is for small bodies")
		}
	})
}

// TestIntakeTakesWhatItHolds: what is taken of the budget is what the buffer
// holds, whatever the reader does, and never more than a few times what came.
func TestIntakeTakesWhatItHolds(t *testing.T) {
	const limit = 1 << 20
	for _, declared := range []int64{-1, 0, 1, 100, firstBuffer, firstBuffer + 1, 300_000, limit, limit + 1} {
		for _, size := range []int{0, 1, 511, 512, 513, firstBuffer, 300_000, limit, limit + 1, limit + 4096} {
			if declared >= 0 && int64(size) > declared {
				continue
			}
			budget, taken := NewBudget(16<<20), int64(0)
			in := intake{ctx: t.Context(), budget: budget, most: limit + 1, length: declared, taken: &taken}
			body, err := in.read(iotest.HalfReader(strings.NewReader(strings.Repeat("x", size))))
			if err != nil || len(body) != min(size, limit+1) {
				t.Fatalf("%d of %d: read %d, %v", size, declared, len(body), err)
			}
			if taken != int64(cap(body)) || budget.Used() != taken {
				t.Errorf("%d of %d: taken %d, used %d, held %d", size, declared, taken, budget.Used(), cap(body))
			}
			if most := max(2*int64(size)+1, firstBuffer); taken > most {
				t.Errorf("%d of %d: holds %d", size, declared, taken)
			}
		}
	}
}

func TestIntakeGivesUpWithoutBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget, taken := NewBudget(64<<10), int64(0)
		in := intake{ctx: t.Context(), budget: budget, most: 1 << 20, length: -1, taken: &taken}
		if _, err := in.read(io.LimitReader(endless{}, 1<<20)); err != errNoBudget {
			t.Error(err)
		}
		budget.release(taken)
		if budget.Used() != 0 {
			t.Errorf("%d bytes are lost", budget.Used())
		}
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestPaceMovesWithProgress(t *testing.T) {
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	p := pace{10 * time.Second, 4096}
	for bytes, want := range map[int64]time.Duration{0: 10 * time.Second, 1: 10*time.Second + time.Second/4096, 4096: 11 * time.Second, 70 << 20: 17930 * time.Second} {
		if got := p.deadline(start, bytes).Sub(start); got != want {
			t.Errorf("%d bytes: %v, want %v", bytes, got, want)
		}
	}
}
