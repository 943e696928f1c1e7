package controller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// env is an environment of a generation: s(tarting), r(eady) or d(raining).
func env(id string, gen int64, state byte) environment {
	e := environment{spec: wire.EnvironmentSpec{ID: id, Generation: gen, Slots: 16}, addr: "unix:///a", instance: "i-" + id}
	switch state {
	case 'r':
		e.status = wire.EnvironmentStatus{State: wire.EnvironmentReady, ReadyAt: time.Unix(1, 0)}
	case 'd':
		e.spec.Draining = true
		e.status.State = wire.EnvironmentDraining
	default:
		e.status.State = wire.EnvironmentStarting
	}
	return e
}

// ready is an environment that became so at a second.
func ready(id string, gen, at int64) environment {
	e := env(id, gen, 'r')
	e.status.ReadyAt = time.Unix(at, 0)
	return e
}

// aging is a situation a hundred seconds after most environments became ready.
func aging(s situation, age time.Duration) situation {
	s.now, s.age = time.Unix(101, 0), age
	return s
}

func envs(gen int64, states string) []environment {
	var out []environment
	for i := range states {
		out = append(out, env(fmt.Sprintf("g%d-%d", gen, i), gen, states[i]))
	}
	return out
}

func active(gen int64) lamina.VersionStatus {
	return lamina.VersionStatus{State: lamina.StateActive, UpdateStatus: lamina.UpdateSuccessful, Generation: gen, Serving: gen, Settled: true}
}

func bounds(lo, hi int32) *lamina.ScalingConfig { return &lamina.ScalingConfig{Min: &lo, Max: &hi} }

func TestDecide(t *testing.T) {
	old := lamina.FunctionConfig{Handler: "old"}
	first := lamina.Version{Generation: 1}
	second := lamina.Version{Generation: 2, Previous: &old, PreviousGen: 1}
	pending := lamina.VersionStatus{State: lamina.StatePending, Generation: 1, UpdateStatus: lamina.UpdateInProgress}
	rolling := active(1)
	rolling.Generation, rolling.UpdateStatus = 2, lamina.UpdateInProgress
	failedFirst := lamina.VersionStatus{State: lamina.StateFailed, Generation: 1, UpdateStatus: lamina.UpdateFailed, Settled: true}
	rolledBack := active(1)
	rolledBack.Generation, rolledBack.UpdateStatus = 2, lamina.UpdateFailed
	importError := &failure{generation: 1, code: lamina.ReasonRuntimeInit, text: "No module named 'x'"}
	tests := map[string]struct {
		s       situation
		state   lamina.State
		update  string
		serving int64
		start   int
		which   int64
		drained []string
		remove  bool
	}{
		"a new version is Pending and gets its three": {
			s: situation{version: first}, state: "Pending", update: "InProgress", start: 3, which: 1},
		"two ready are not enough": {
			s: situation{version: first, status: pending, known: true, envs: envs(1, "rrs")}, state: "Pending", update: "InProgress", which: 0},
		"an environment lost with its instance is started again": {
			s: situation{version: first, status: pending, known: true, envs: envs(1, "rr")}, state: "Pending", update: "InProgress", start: 1, which: 1},
		"three ready make it Active": {
			s: situation{version: first, status: pending, known: true, envs: envs(1, "rrr")}, state: "Active", update: "Successful", serving: 1},
		"an init error fails it and ends the rest": {
			s: situation{version: first, status: pending, known: true, envs: envs(1, "rs"), failed: importError}, state: "Failed", update: "Failed", drained: []string{"g1-0", "g1-1"}},
		"a failed version stays failed": {
			s: situation{version: first, status: failedFirst, known: true}, state: "Failed", update: "Failed"},
		"a dead environment of an active version is replaced": {
			s: situation{version: first, status: active(1), known: true, envs: envs(1, "rr")}, state: "Active", update: "Successful", serving: 1, start: 1, which: 1},
		"an init error does not touch an active version": {
			s: situation{version: first, status: active(1), known: true, envs: envs(1, "rr"), failed: importError}, state: "Active", update: "Successful", serving: 1, start: 1, which: 1},
		"a republish starts the new generation beside the old": {
			s: situation{version: second, status: active(1), known: true, envs: envs(1, "rrr")}, state: "Active", update: "InProgress", serving: 1, start: 3, which: 2},
		"the old generation serves until the new one is whole": {
			s: situation{version: second, status: rolling, known: true, envs: slices.Concat(envs(1, "rrr"), envs(2, "rrs"))}, state: "Active", update: "InProgress", serving: 1},
		"then the old one drains": {
			s:     situation{version: second, status: rolling, known: true, envs: slices.Concat(envs(1, "rrr"), envs(2, "rrr"))},
			state: "Active", update: "Successful", serving: 2, drained: []string{"g1-0", "g1-1", "g1-2"}},
		"a bad new generation rolls back": {
			s: situation{version: second, status: rolling, known: true, envs: slices.Concat(envs(1, "rrr"), envs(2, "s")),
				failed: &failure{generation: 2, code: lamina.ReasonRuntimeInit}},
			state: "Active", update: "Failed", serving: 1, drained: []string{"g2-0"}},
		"after it the old one is still kept whole": {
			s: situation{version: second, status: rolledBack, known: true, envs: envs(1, "rr")}, state: "Active", update: "Failed", serving: 1, start: 1, which: 1},
		"and loses what it has too many of": {
			s: situation{version: second, status: rolledBack, known: true, envs: envs(1, "rrrr")}, state: "Active", update: "Failed", serving: 1, drained: []string{"g1-0"}},
		"and what others have taken the place of": {
			s:     situation{version: second, status: rolledBack, known: true, envs: append(envs(1, "rrr"), environment{spec: wire.EnvironmentSpec{ID: "old", Generation: 1}, retiring: true})},
			state: "Active", update: "Failed", serving: 1, drained: []string{"old"}},
		"the oldest past its age gets a successor": {
			s: aging(situation{version: first, status: active(1), known: true, envs: envs(1, "rrr")}, time.Second), state: "Active", update: "Successful", serving: 1, start: 1, which: 1},
		"and serves until that is ready": {
			s: aging(situation{version: first, status: active(1), known: true, envs: envs(1, "rrrs")}, time.Second), state: "Active", update: "Successful", serving: 1},
		"then it drains, the oldest first": {
			s:     aging(situation{version: first, status: active(1), known: true, envs: append(envs(1, "rrr"), ready("new", 1, 100))}, time.Second),
			state: "Active", update: "Successful", serving: 1, drained: []string{"g1-0"}},
		"the next waits until it is gone": {
			s: aging(situation{version: first, status: active(1), known: true, envs: append(envs(1, "drr"), ready("new", 1, 100))}, time.Second), state: "Active", update: "Successful", serving: 1},
		"a tenth of many at a time": {
			s: aging(situation{version: first, status: active(1), known: true, bounds: bounds(20, 20), envs: envs(1, "rrrrrrrrrrrrrrrrrrrr")}, time.Second), state: "Active", update: "Successful", serving: 1, start: 2, which: 1},
		"the young stay": {
			s: aging(situation{version: first, status: active(1), known: true, envs: envs(1, "rrr")}, 5*time.Minute), state: "Active", update: "Successful", serving: 1},
		"while a new generation comes up nobody is too old": {
			s: aging(situation{version: second, status: rolling, known: true, envs: slices.Concat(envs(1, "rrr"), envs(2, "rrs"))}, time.Second), state: "Active", update: "InProgress", serving: 1},
		"0/0 deactivates": {
			s: situation{version: first, status: active(1), known: true, bounds: bounds(0, 0), envs: envs(1, "rrr")}, state: "Deactivating", update: "Successful", serving: 1, drained: []string{"g1-0", "g1-1", "g1-2"}},
		"without environments it is Deactivated": {
			s: situation{version: first, status: lamina.VersionStatus{State: lamina.StateDeactivating, Generation: 1, Serving: 1}, known: true, bounds: bounds(0, 0)}, state: "Deactivated", update: "Successful", serving: 1},
		"a new minimum brings it back": {
			s: situation{version: first, status: lamina.VersionStatus{State: lamina.StateDeactivated, Generation: 1, Serving: 1}, known: true, bounds: bounds(2, 4)}, state: "Pending", start: 2, which: 1},
		"a lower minimum drains the surplus": {
			s: situation{version: first, status: active(1), known: true, bounds: bounds(1, 4), envs: envs(1, "rrr")}, state: "Active", update: "Successful", serving: 1, drained: []string{"g1-0", "g1-1"}},
		"a deleted version drains": {
			s: situation{version: first, status: active(1), known: true, deleting: true, envs: envs(1, "rd")}, state: "Active", update: "Successful", serving: 1, drained: []string{"g1-0", "g1-1"}},
		"and goes when nothing is left": {
			s: situation{version: first, status: active(1), known: true, deleting: true}, state: "Active", update: "Successful", serving: 1, remove: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := decide(tt.s)
			var drained []string
			for id := range o.drain {
				drained = append(drained, id)
			}
			slices.Sort(drained)
			if o.status.State != tt.state || o.status.UpdateStatus != tt.update || o.status.Serving != tt.serving {
				t.Errorf("status %+v, want %s/%s serving %d", o.status, tt.state, tt.update, tt.serving)
			}
			if o.start != tt.start || o.start > 0 && o.which != tt.which {
				t.Errorf("starts %d of generation %d, want %d of %d", o.start, o.which, tt.start, tt.which)
			}
			if !slices.Equal(drained, tt.drained) || o.remove != tt.remove {
				t.Errorf("drains %v, remove %v; want %v, %v", drained, o.remove, tt.drained, tt.remove)
			}
		})
	}
}

// TestDecideIsLevelTriggered: deciding again on the outcome changes nothing more.
func TestDecideIsLevelTriggered(t *testing.T) {
	s := situation{version: lamina.Version{Generation: 1}, status: lamina.VersionStatus{State: lamina.StatePending, Generation: 1}, known: true, envs: envs(1, "rrr")}
	once := decide(s)
	s.status = once.status
	again := decide(s)
	if again.start != 0 || len(again.drain) != 0 || again.status.State != lamina.StateActive {
		t.Errorf("second round: %+v", again)
	}
}
