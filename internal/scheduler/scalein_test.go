package scheduler

import (
	"slices"
	"testing"
)

func TestScaleIn(t *testing.T) {
	spread := []Placed{
		{ID: "a1", Host: "i-a", Zone: "a", Shared: 2, InFlight: 3}, {ID: "a2", Host: "i-a", Zone: "a", Shared: 2},
		{ID: "b1", Host: "i-b", Zone: "b", Shared: 1},
		{ID: "c1", Host: "i-c", Zone: "c", Shared: 3}, {ID: "c2", Host: "i-d", Zone: "c", Shared: 1, InFlight: 9},
	}
	for _, c := range []struct {
		name string
		n    int
		want []string
	}{
		{"none", 0, nil},
		{"from a crowded zone, the host that becomes empty", 1, []string{"c2"}},
		{"then the next crowded zone, the idle one", 2, []string{"c2", "a2"}},
		{"with equal zones the least busy on the emptier hosts", 3, []string{"c2", "a2", "b1"}},
		{"all", 9, []string{"c2", "a2", "b1", "a1", "c1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ScaleIn(spread, c.n); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
