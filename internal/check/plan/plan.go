// Package plan decides, from a seed, how requests are made to overlap: which
// events, how many at once, how far apart, which of them cut short, which
// workers held. The same seed gives the same plan.
package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Event is what the plan must know of one.
type Event struct {
	Alone time.Duration // how long it takes alone
}

// Step starts one request.
type Step struct {
	Event int
	Gap   time.Duration // since the start of the step before; longer while no slot is free
	Cut   time.Duration // its timeout, where that is shorter than the function's; else 0
}

// Hold stops one worker for a while.
type Hold struct {
	At     time.Duration // since the round's begin
	For    time.Duration
	Worker int // any number; modulo those there are
}

// Round is what one environment is put through.
type Round struct {
	Name    string
	Seed    uint64
	Slots   int
	Workers int     // of Node.js; 0: the runtime's own number
	Pause   float64 // as watch.Settings has them
	MaxMs   int
	Budget  int
	Steps   []Step
	Holds   []Hold
}

// Settings of a plan.
type Settings struct {
	Seed     uint64
	Events   []Event
	MaxSlots int
	Node     bool // workers are threads that slots can share
	Holds    bool // workers can be held one by one
	Length   time.Duration
}

// Random gives the numbers of one part of a plan.
func Random(seed uint64, part string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(part) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}

// slotsOf are the numbers of slots of a pass: from two to the most there are.
func slotsOf(most int) (list []int) {
	for _, n := range []int{2, 2, 4, most} {
		if n <= most {
			list = append(list, n)
		}
	}
	return slices.Compact(list[1:])
}

// pauses are how rounds differ in where the watch pauses: probability per line
// or callback, longest pause and all of a request, in ms (chosen).
var pauses = []struct {
	p            float64
	most, budget int
}{{0.05, 10, 60}, {0.3, 3, 40}, {0, 0, 0}, {0.01, 40, 120}}

// Pass gives the rounds of one pass through all numbers of slots.
func Pass(s Settings, pass int) (rounds []Round) {
	slots := append([]int{2}, slotsOf(max(2, s.MaxSlots))...)
	for i, n := range slots {
		name := fmt.Sprintf("pass %d, round %d: %d slots", pass+1, i+1, n)
		r := Random(s.Seed, name)
		p := pauses[(i+pass)%len(pauses)]
		round := Round{Name: name, Seed: r.Uint64() >> 12, Slots: n, Pause: p.p, MaxMs: p.most, Budget: p.budget}
		if s.Node && !(n == s.MaxSlots && n > 4) {
			round.Workers = 1
		}
		round.Steps = steps(r, s, n, pass*len(slots)+i, time.Duration(p.budget)*time.Millisecond)
		if s.Holds {
			round.Holds = holds(r, s.Length)
		}
		rounds = append(rounds, round)
	}
	return append(rounds, first(s, pass))
}

// first has the first requests of an environment begin at once, with long
// pauses: what is made once, by whoever comes first, is made then or never.
func first(s Settings, pass int) Round {
	n := max(2, s.MaxSlots)
	name := fmt.Sprintf("pass %d, first requests at once: %d slots", pass+1, n)
	r := Random(s.Seed, name)
	round := Round{Name: name, Seed: r.Uint64() >> 12, Slots: n, Pause: 0.5, MaxMs: 10, Budget: 60, Steps: burst(r, s, n)}
	if s.Node {
		round.Workers = 1
	}
	return round
}

// steps makes a round of several ways to overlap, one after the other.
func steps(r *rand.Rand, s Settings, slots, turn int, pause time.Duration) (list []Step) {
	mean := time.Millisecond
	for _, e := range s.Events {
		mean += (e.Alone + pause/2) / time.Duration(len(s.Events))
	}
	// So many requests as fit into the round's length, yet all slots twice.
	n := min(max(2*slots, int(s.Length*time.Duration(slots)/mean)), 24+4*slots)
	ways := []func(*rand.Rand, Settings, int) []Step{burst, staggered, pairs, slowAndFast, cutShort}
	each := max(slots, (n+2)/3)
	for i := 0; len(list) < n; i++ {
		list = append(list, ways[(turn+i)%len(ways)](r, s, each)...)
	}
	return list[:n]
}

// burst starts all at once; each event comes as often as any other.
func burst(r *rand.Rand, s Settings, n int) (list []Step) {
	order := r.Perm(len(s.Events))
	for i := range n {
		list = append(list, Step{Event: order[i%len(order)]})
	}
	return list
}

// staggered starts each at a random point of the one before.
func staggered(r *rand.Rand, s Settings, n int) (list []Step) {
	before := 0
	for range n {
		e := r.IntN(len(s.Events))
		list = append(list, Step{Event: e, Gap: share(r, s.Events[before].Alone)})
		before = e
	}
	return list
}

// pairs lets two events alternate.
func pairs(r *rand.Rand, s Settings, n int) (list []Step) {
	pair := r.Perm(len(s.Events))
	pair = pair[:min(2, len(pair))]
	for i := range n {
		list = append(list, Step{Event: pair[i%len(pair)], Gap: share(r, s.Events[pair[0]].Alone/2)})
	}
	return list
}

// slowAndFast has the slowest event run while the others come one after the other.
func slowAndFast(r *rand.Rand, s Settings, n int) (list []Step) {
	slow := 0
	for i, e := range s.Events {
		if e.Alone > s.Events[slow].Alone {
			slow = i
		}
	}
	for i := range n {
		if i%3 == 0 {
			list = append(list, Step{Event: slow})
		} else {
			list = append(list, Step{Event: r.IntN(len(s.Events)), Gap: share(r, s.Events[slow].Alone/4)})
		}
	}
	return list
}

// leastCut is the shortest timeout that a request is given (chosen).
const leastCut = 5 * time.Millisecond

// cutShort is a burst of which about every third has its timeout in its middle.
func cutShort(r *rand.Rand, s Settings, n int) []Step {
	list := burst(r, s, n)
	for i := range list {
		if alone := s.Events[list[i].Event].Alone; alone > 2*leastCut && r.IntN(3) == 0 {
			list[i].Cut = leastCut + share(r, alone-leastCut)
		}
	}
	return list
}

// longestGap bounds the wait between two steps (chosen).
const longestGap = 200 * time.Millisecond

func share(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Float64() * float64(min(d, longestGap)))
}

// holds stops some worker every now and then.
func holds(r *rand.Rand, length time.Duration) (list []Hold) {
	for at := time.Duration(0); at < length; {
		at += time.Duration(20+r.IntN(200)) * time.Millisecond
		list = append(list, Hold{At: at, For: time.Duration(5+r.IntN(40)) * time.Millisecond, Worker: r.IntN(1 << 16)})
	}
	return list
}
