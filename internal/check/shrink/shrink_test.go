package shrink

import (
	"reflect"
	"slices"
	"testing"
)

func TestMinimize(t *testing.T) {
	for name, c := range map[string]struct {
		n           int
		keep, needs []int
		limit       int
		want        []int
	}{
		"the two are enough":        {12, []int{7, 2}, []int{2, 7}, 20, []int{2, 7}},
		"a third is needed":         {12, []int{7, 2}, []int{2, 5, 7}, 40, []int{2, 5, 7}},
		"all are needed":            {4, []int{3}, []int{0, 1, 2, 3}, 40, []int{0, 1, 2, 3}},
		"it shows never again":      {6, []int{1}, []int{99}, 40, []int{0, 1, 2, 3, 4, 5}},
		"no more tries":             {8, []int{7, 2}, []int{2, 5, 7}, 1, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		"one is all":                {1, []int{0}, []int{0}, 10, []int{0}},
		"the same twice":            {5, []int{2, 2}, []int{2}, 10, []int{2}},
		"far ones go in few rounds": {64, []int{63, 0}, []int{0, 31, 63}, 30, []int{0, 31, 63}},
	} {
		tries := 0
		got := Minimize(c.n, c.keep, c.limit, func(part []int) bool {
			tries++
			for _, n := range c.needs {
				if !slices.Contains(part, n) {
					return false
				}
			}
			return true
		})
		if !reflect.DeepEqual(got, c.want) || tries > c.limit {
			t.Errorf("%s: %v after %d tries, want %v", name, got, tries, c.want)
		}
	}
}
