package router

import "iter"

// Choices is the order in which an invocation tries a version's n environments,
// by index: two random ones, the less loaded first; if both refuse, all others
// with room. It only decides, so that a simulation chooses by the same code: load
// says how busy an environment is, random gives a number below its argument.
func Choices(n int, load func(i int) float64, room *Room, random func(n int) int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if n == 0 {
			return
		}
		a, b := random(n), random(n)
		if a != b && load(b) < load(a) {
			a, b = b, a
		}
		if !yield(a) || (b != a && !yield(b)) {
			return
		}
		for i := range room.From(random(n)) {
			if i != a && i != b && !yield(i) {
				return
			}
		}
	}
}
