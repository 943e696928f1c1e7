// Package shrink finds the fewest requests that still show something.
package shrink

import "slices"

// Minimize gives a small part of the n requests, by their numbers in order, for
// which shows still holds. keep must always be in it. shows runs the requests;
// it is called until it has answered limit times.
func Minimize(n int, keep []int, limit int, shows func(part []int) bool) (part []int) {
	part = all(n)
	tries := 0
	try := func(p []int) bool {
		if tries >= limit {
			return false
		}
		tries++
		return shows(p)
	}
	// Most races take two.
	if two := inOrder(keep); len(two) < n && try(two) {
		return two
	}
	for size := len(part) / 2; size >= 1; size /= 2 {
		for from := 0; from < len(part); {
			smaller := without(part, from, size, keep)
			if len(smaller) < len(part) && try(smaller) {
				part = smaller
			} else {
				from += size
			}
		}
	}
	return part
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func inOrder(list []int) []int {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// without leaves out size elements from an index on, save those to keep.
func without(part []int, from, size int, keep []int) (rest []int) {
	for i, n := range part {
		if i < from || i >= from+size || slices.Contains(keep, n) {
			rest = append(rest, n)
		}
	}
	return rest
}
