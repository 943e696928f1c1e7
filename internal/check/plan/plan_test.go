package plan

import (
	"reflect"
	"testing"
	"time"
)

func settings(slots int) Settings {
	return Settings{Seed: 7, MaxSlots: slots, Holds: true, Length: time.Second, Events: []Event{{10 * time.Millisecond}, {80 * time.Millisecond}, {20 * time.Millisecond}}}
}

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	a, b := Pass(settings(16), 3), Pass(settings(16), 3)
	if !reflect.DeepEqual(a, b) {
		t.Error("two plans of one seed differ")
	}
	other := settings(16)
	other.Seed++
	if reflect.DeepEqual(a[0].Steps, Pass(other, 3)[0].Steps) {
		t.Error("two seeds give the same plan")
	}
	if reflect.DeepEqual(a[0].Steps, Pass(settings(16), 4)[0].Steps) {
		t.Error("two passes are the same")
	}
}

func TestRoundsGoFromTwoSlotsToTheMost(t *testing.T) {
	for most, want := range map[int][]int{2: {2, 2}, 3: {2, 2, 3}, 4: {2, 2, 4}, 16: {2, 2, 4, 16}} {
		var got []int
		rounds := Pass(settings(most), 0)
		last := len(rounds) - 1
		for _, r := range rounds[:last] {
			got = append(got, r.Slots)
			if len(r.Steps) < 2*r.Slots {
				t.Errorf("%s has only %d requests", r.Name, len(r.Steps))
			}
		}
		if r := rounds[last]; r.Slots != most || len(r.Steps) != most || r.Pause == 0 {
			t.Errorf("%s: %d slots, %d requests, pauses of %v", r.Name, r.Slots, len(r.Steps), r.Pause)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("up to %d slots: %v, want %v", most, got, want)
		}
	}
}

func TestEveryWayToOverlapComesInAPass(t *testing.T) {
	var gaps, cuts, pairs int
	events := map[int]bool{}
	for _, r := range Pass(settings(4), 0) {
		for i, s := range r.Steps {
			events[s.Event] = true
			if s.Gap > 0 {
				gaps++
			}
			if s.Cut > 0 {
				cuts++
			}
			if i > 1 && s.Event == r.Steps[i-2].Event && s.Event != r.Steps[i-1].Event {
				pairs++
			}
			if s.Cut >= 80*time.Millisecond {
				t.Errorf("a request that takes 80 ms is cut after %v", s.Cut)
			}
		}
	}
	if len(events) != 3 || gaps == 0 || cuts == 0 || pairs == 0 {
		t.Errorf("events %v, %d gaps, %d cuts, %d pairs", events, gaps, cuts, pairs)
	}
}

func TestOneEventIsEnough(t *testing.T) {
	s := settings(4)
	s.Events = s.Events[:1]
	for _, r := range Pass(s, 0) {
		if len(r.Steps) == 0 {
			t.Error("an empty round")
		}
	}
}
