package router

import (
	"iter"
	"math/bits"
	"sync/atomic"
)

// Room is the index of the environments with a free slot: a bit for each, and a
// bit for each 64 of them, so that one is found at once although nearly all are
// full. It is written only when an environment becomes full or ceases to be. Of
// two who say different things of one environment at once the later is believed,
// so each looks at the environment again afterwards.
type Room struct {
	bits  []atomic.Uint64 // environment i is bit i%64 of word i/64
	words []atomic.Uint64 // likewise of the words that are not zero
	n     int
}

// NewRoom is an index of n environments, all with room.
func NewRoom(n int) *Room {
	r := &Room{bits: make([]atomic.Uint64, (n+63)/64), n: n}
	r.words = make([]atomic.Uint64, (len(r.bits)+63)/64)
	for i := range n {
		r.Open(i)
	}
	return r
}

// Open says that environment i has room.
func (r *Room) Open(i int) {
	if r.bits[i/64].Or(1<<(i%64)) == 0 {
		r.words[i/64/64].Or(1 << (i / 64 % 64))
	}
}

// Shut says that environment i is full.
func (r *Room) Shut(i int) {
	w := i / 64
	if old := r.bits[w].And(^(1 << (i % 64))); old&^(1<<(i%64)) != 0 {
		return
	}
	r.words[w/64].And(^(1 << (w % 64)))
	if r.bits[w].Load() != 0 { // opened in between
		r.words[w/64].Or(1 << (w % 64))
	}
}

// From gives each environment with room once, from the word of start on, at most
// once round. What changes meanwhile may be seen or not.
func (r *Room) From(start int) iter.Seq[int] {
	return func(yield func(int) bool) {
		first := start / 64
		if !each(&r.bits[first], first, start%64, yield) {
			return
		}
		for turn := range len(r.words) + 1 {
			at := (first/64 + turn) % len(r.words)
			set := r.words[at].Load()
			switch low := uint64(1)<<(first%64) - 1; {
			case turn == 0:
				set &^= low | 1<<(first%64)
			case turn == len(r.words):
				set &= low
			}
			for ; set != 0; set &= set - 1 {
				w := at*64 + bits.TrailingZeros64(set)
				if !each(&r.bits[w], w, start%64, yield) {
					return
				}
			}
		}
	}
}

// each gives the set bits of word w, from bit first on and round.
func each(word *atomic.Uint64, w, first int, yield func(int) bool) bool {
	for set := bits.RotateLeft64(word.Load(), -first); set != 0; set &= set - 1 {
		if !yield(w*64 + (bits.TrailingZeros64(set)+first)%64) {
			return false
		}
	}
	return true
}
