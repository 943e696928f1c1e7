package router

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
)

func TestRoomGivesEachWithRoomOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 63, 64, 65, 1000, 4096, 4097, 9000} {
		for _, share := range []float64{0, 0.01, 0.5, 1} {
			r, want := NewRoom(n), []int{}
			for i := range n {
				if random.Float64() < share {
					want = append(want, i)
				} else {
					r.Shut(i)
				}
			}
			for _, start := range []int{0, n / 3, n / 2, n - 1} {
				got := slices.Sorted(r.From(start))
				if !slices.Equal(got, want) {
					t.Errorf("%d environments, from %d: got %d, want %d", n, start, len(got), len(want))
				}
			}
		}
	}
}

func TestChoicesTryTheLessLoadedOfTwoThenAllWithRoom(t *testing.T) {
	load := []float64{1, 0.5, 1, 0.2, 0, 1}
	room := NewRoom(6)
	for i, l := range load {
		if l == 1 {
			room.Shut(i)
		}
	}
	numbers := []int{1, 3, 0}
	random := func(int) int { n := numbers[0]; numbers = numbers[1:]; return n }
	got := slices.Collect(Choices(6, func(i int) float64 { return load[i] }, room, random))
	if want := []int{3, 1, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Whoever takes and gives slots at the same time, and whatever is installed
// meanwhile: in the end the index says what is true.
func TestIndexAgreesWithTheSlots(t *testing.T) {
	var list []lamina.Endpoint
	for i := range 130 {
		list = append(list, lamina.Endpoint{EnvironmentID: fmt.Sprint(i), Slots: 1 + i%2})
	}
	for range 20 {
		tg := newTarget()
		tg.install(list)
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() { takeAndGive(tg, 2000) })
		}
		for i := range 20 {
			tg.install(list[:len(list)-i])
		}
		tg.install(list)
		callers.Wait()
		now := tg.serving.Load()
		open := map[int]bool{}
		for i := range now.room.From(0) {
			open[i] = true
		}
		for i, e := range now.envs {
			if room := e.inFlight.Load() < e.slots; room != open[i] {
				t.Fatalf("environment %d with %d of %d slots taken: the index says room is %v", i, e.inFlight.Load(), e.slots, open[i])
			}
		}
	}
}

// takeAndGive leaves some slots taken.
func takeAndGive(tg *target, n int) {
	var held []*endpoint
	for range n {
		if e := take(tg.serving.Load()); e != nil {
			held = append(held, e)
		}
		if len(held) > 12 {
			tg.release(held[0])
			held = held[1:]
		}
	}
}

func take(now *serving) *endpoint {
	for i := range Choices(len(now.envs), func(i int) float64 { return now.envs[i].load() }, now.room, rand.IntN) {
		if e := now.envs[i]; e.acquire() {
			return e
		}
	}
	return nil
}

// BenchmarkChoice is a whole routing decision: choice, slot taken, slot given back.
func BenchmarkChoice(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		for _, full := range []float64{0, 0.99, 0.9999} {
			b.Run(fmt.Sprintf("environments=%d/full=%v%%", n, full*100), func(b *testing.B) {
				tg := newTarget()
				list := make([]lamina.Endpoint, n)
				for i := range list {
					list[i] = lamina.Endpoint{EnvironmentID: fmt.Sprint(i), Slots: 16}
				}
				tg.install(list)
				for rank, i := range rand.Perm(n) {
					taken := 8
					if rank < int(full*float64(n)) {
						taken = 16
					}
					for range taken {
						tg.serving.Load().envs[i].acquire()
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				before := cpuTime(b)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if e := take(tg.serving.Load()); e != nil {
							tg.release(e)
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
				b.ReportMetric(float64(b.N)/(cpuTime(b)-before).Seconds()/1e6, "M/s/core")
			})
		}
	}
}

// cpuTime is the process's, so that a busy machine does not count.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
