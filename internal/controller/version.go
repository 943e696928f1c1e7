package controller

import (
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/wire"
)

// environment is one environment of a version, wherever it is.
type environment struct {
	spec     wire.EnvironmentSpec
	status   wire.EnvironmentStatus // zero before the agent's first word
	instance string
	addr     string
	zone     string
	shared   int  // environments of any version on its instance
	silent   bool // its agent says nothing
	retiring bool // it is being replaced for its age, or its instance is
}

func (e environment) ready() bool {
	return e.status.State == wire.EnvironmentReady && !e.spec.Draining && !e.silent && e.addr != ""
}

func (e environment) ended() bool { return e.status.State == wire.EnvironmentEnded }

// taken says whether it ended for no reason of its own, as an agent that ends says
// of its environments before it is gone. That tells nothing about the function.
func (e environment) taken() bool {
	return e.ended() && e.status.ReasonCode == "" && e.status.Reason == ""
}

// situation is all that decides what happens to one managed version.
type situation struct {
	version  lamina.Version
	status   lamina.VersionStatus
	known    bool // status was written before
	bounds   *lamina.ScalingConfig
	want     int  // what the scaler asks for; never less than the minimum is kept
	full     bool // there is no room for what the generation that serves lacks
	cramped  bool // there is no room for more than the minimum beside the generation that serves
	load     lamina.Load
	envs     []environment
	failed   *failure
	deleting bool
	now      time.Time
	age      time.Duration // at which an environment is replaced; 0: never
}

// outcome is what shall happen to it.
type outcome struct {
	status  lamina.VersionStatus
	start   int   // environments of generation `generation` to start
	which   int64 // the generation to start
	floor   int   // how many of the started ones would do to reach the minimum
	config  lamina.FunctionConfig
	refusal *scheduler.Refusal // why not all of them could be started
	full    bool               // that refusal left none of them
	drain   map[string]bool    // environment ids
	aged    map[string]bool    // environment ids: those being replaced for their own age
	due     time.Time          // when the next one reaches its age; zero: none will
	remove  bool               // nothing is left: the rows can go
}

// decide is the life of a managed version: brought up to its minimum before it
// turns Active, kept at it, rolled to a new generation without a gap, taken down.
func decide(s situation) outcome {
	o := outcome{status: s.status, drain: map[string]bool{}}
	if s.deleting {
		o.drainAll(s.envs)
		o.remove = len(s.envs) == 0
		return o
	}
	gen := s.version.Generation
	if !s.known || s.status.Generation < gen {
		o.status = announced(s.status, gen)
	}
	st := &o.status
	floor := s.bounds.Minimum()
	want, first := max(s.want, floor), max(s.want, floor)
	if s.cramped {
		first = floor
	}
	switch {
	case want == 0:
		o.drainAll(s.envs)
		deactivate(st, len(s.envs), s.bounds)
	case st.State == lamina.StateDeactivating || st.State == lamina.StateDeactivated:
		st.State, st.Reason, st.ReasonCode, st.Serving = lamina.StatePending, lamina.TextCreating, lamina.ReasonCreating, 0
		o.bringUp(s, floor)
	case st.Serving == gen:
		o.keep(s, gen, s.version.Config, want)
	case given(st):
		o.drainGeneration(s.envs, gen)
		if old := s.old(); old != nil {
			o.keep(s, st.Serving, *old, want)
		}
	default:
		o.keepOld(s, want)
		o.bringUp(s, first)
	}
	return o
}

// announced is a status that has just heard of a generation.
func announced(st lamina.VersionStatus, gen int64) lamina.VersionStatus {
	st.Generation = gen
	st.UpdateStatus, st.UpdateReason, st.UpdateReasonCode = lamina.UpdateInProgress, lamina.TextUpdating, lamina.ReasonUpdating
	if st.Serving == 0 {
		st.State, st.Reason, st.ReasonCode = lamina.StatePending, lamina.TextCreating, lamina.ReasonCreating
	}
	return st
}

// given says whether the newest generation has failed for good: a failed version
// stays so, a new publish is needed (lmi-service.md 3.3).
func given(st *lamina.VersionStatus) bool {
	return st.State == lamina.StateFailed || st.UpdateStatus == lamina.UpdateFailed
}

func deactivate(st *lamina.VersionStatus, left int, bounds *lamina.ScalingConfig) {
	st.State = lamina.StateDeactivating
	if left == 0 {
		st.State, st.Applied = lamina.StateDeactivated, bounds
	}
	st.Reason, st.ReasonCode = "", ""
	st.UpdateStatus, st.UpdateReason, st.UpdateReasonCode = lamina.UpdateSuccessful, "", ""
	st.Settled = true
}

// bringUp starts the newest generation and switches to it once its minimum is ready.
func (o *outcome) bringUp(s situation, want int) {
	gen := s.version.Generation
	if s.failed != nil && s.failed.generation == gen {
		o.fail(s.failed.code, s.failed.text)
		o.drainGeneration(s.envs, gen)
		return
	}
	live, ready := count(s.envs, gen)
	if ready < want {
		if o.start == 0 { // the generation that serves comes first
			o.start, o.which, o.config = max(0, want-live), gen, s.version.Config
			o.floor = max(0, s.bounds.Minimum()-live)
		}
		return
	}
	o.status = lamina.VersionStatus{
		State: lamina.StateActive, UpdateStatus: lamina.UpdateSuccessful,
		Generation: gen, Serving: gen, Settled: true, Applied: s.bounds,
	}
	for _, e := range s.envs {
		if e.spec.Generation != gen {
			o.drain[e.spec.ID] = true
		}
	}
}

// fail ends the newest generation; an older one that serves goes on.
func (o *outcome) fail(code, text string) {
	st := &o.status
	st.UpdateStatus, st.UpdateReasonCode, st.UpdateReason = lamina.UpdateFailed, code, text
	st.Settled = true
	if st.Serving == 0 {
		st.State, st.ReasonCode, st.Reason = lamina.StateFailed, code, text
	}
	o.start = 0
}

// keep holds an active generation at its number.
func (o *outcome) keep(s situation, gen int64, config lamina.FunctionConfig, want int) {
	s.envs = o.rotate(s, gen)
	live, ready := count(s.envs, gen)
	for _, e := range s.envs {
		if e.spec.Generation != gen {
			o.drain[e.spec.ID] = true
		}
	}
	switch {
	case live < want:
		o.start, o.which, o.config = want-live, gen, config
	case live > want && ready == live:
		o.scaleIn(s, gen, live-want)
	}
	if ready >= want {
		o.drainRetiring(s.envs)
	}
	if ready >= s.bounds.Minimum() {
		o.status.Applied = s.bounds
	}
}

// keepOld holds the generation that serves while a newer one is on its way.
func (o *outcome) keepOld(s situation, want int) {
	old, serving := s.old(), o.status.Serving
	if old == nil || s.full {
		return
	}
	if live, _ := count(s.envs, serving); live < want {
		o.start, o.which, o.config = want-live, serving, *old
	}
}

// old is the configuration of the generation that serves beside a newer one; nil: none does.
func (s situation) old() *lamina.FunctionConfig {
	if s.status.Serving == 0 || s.version.PreviousGen != s.status.Serving {
		return nil
	}
	return s.version.Previous
}

func (o *outcome) drainAll(envs []environment) {
	for _, e := range envs {
		o.drain[e.spec.ID] = true
	}
}

func (o *outcome) drainGeneration(envs []environment, gen int64) {
	for _, e := range envs {
		if e.spec.Generation == gen {
			o.drain[e.spec.ID] = true
		}
	}
}

// drainRetiring ends what others have taken the place of.
func (o *outcome) drainRetiring(envs []environment) {
	for _, e := range envs {
		if e.retiring {
			o.drain[e.spec.ID] = true
		}
	}
}

func (o *outcome) scaleIn(s situation, gen int64, n int) {
	var candidates []scheduler.Placed
	for _, e := range s.envs {
		if e.spec.Generation == gen && !e.spec.Draining && !e.retiring {
			candidates = append(candidates, scheduler.Placed{
				ID: e.spec.ID, Host: e.instance, Zone: e.zone, Shared: e.shared,
				InFlight: s.load.Environments[e.spec.ID].InFlight,
			})
		}
	}
	for _, id := range scheduler.ScaleIn(candidates, n) {
		o.drain[id] = true
	}
}

// count gives the environments of a generation that are not on their way out, nor
// on an instance that is, and those of them that take invocations.
func count(envs []environment, gen int64) (live, ready int) {
	for _, e := range envs {
		if e.spec.Generation != gen || e.spec.Draining || e.retiring || e.ended() {
			continue
		}
		live++
		if e.ready() {
			ready++
		}
	}
	return live, ready
}
