package scaler

import (
	"math"
	"time"
)

// Targets and times of managed versions. AWS publishes what they achieve
// (lmi-service.md 4.2: half as much again at once, twice as much within five
// minutes, scale-in "gradual and conservative"), not the figures; all are chosen.
const (
	// AutoTarget is the CPU utilisation that Auto mode steers to: a step to 1.5
	// times the load then still leaves a quarter of the CPU idle, so that it is
	// borne by what runs. The 70 % that one user observed would not bear it.
	AutoTarget = 0.5
	// SlotTarget is the share of the slots that may be taken: two thirds, so that
	// 1.5 times the load just fits.
	SlotTarget = 2.0 / 3
	// Saturation is the share of taken slots from which one look is enough to act.
	Saturation = 0.95
	// Tolerance is how far below its target the load has to be before an
	// environment goes, so that a steady load never turns round.
	Tolerance = 0.15
	// Smoothing is the time constant over which CPU and concurrency are averaged.
	Smoothing = 500 * time.Millisecond
	// Hold is how long the highest demand is remembered before scaling in.
	Hold = time.Minute
	// StepDown is the time from one step of scale-in to the next.
	StepDown = 5 * time.Second
	// MaxGrowth bounds what is wanted to so many times the environments that serve,
	// since demand beyond the slots is an estimate.
	MaxGrowth = 4
)

// Bounds of a version.
type Bounds struct {
	Min, Max int     // Max < 0: no limit
	Target   float64 // CPU utilisation to steer to, 0..1; 0: AutoTarget
}

// Signals is what is known of a version's load at one instant. CPU and slots are
// those of environments that serve.
type Signals struct {
	Serving  int     // environments that take invocations
	Starting int     // environments that will
	Slots    int     // of all of them together
	InFlight int     // invocations in them now
	CPU      float64 // the mean of their utilisations, each use ÷ share, 0..1
	Served   int64   // invocations that ended since the last look
	Refused  int64   // invocations that found no slot since the last look
	// Blind: some environment has not been heard of for too long, so that nothing may be ended.
	Blind bool
	// HostSaturated: the machine itself has no CPU left, so that more environments would not help.
	HostSaturated bool
}

// Cause is why a version should have as many environments as it should.
type Cause string

// Causes.
const (
	Floor       Cause = "minimum"      // the load needs no more than the minimum
	Ceiling     Cause = "maximum"      // the load needs more than the maximum
	CPU         Cause = "cpu"          // to bring CPU use to its target
	Concurrency Cause = "concurrency"  // to bring the taken slots to their target
	Saturated   Cause = "saturation"   // the slots were full or calls were refused
	Holding     Cause = "holding"      // the load fell, but not for long enough
	Blindness   Cause = "blind"        // nothing is ended while environments are not heard of
	HostLimit   Cause = "host"         // CPU use asks for more, but the machine has no CPU left
	Settling    Cause = "within range" // the load is near its target
)

// State is what Managed remembers of a version from look to look. The zero value
// knows nothing yet.
type State struct {
	at       time.Time // of the last look
	learning bool      // has been blind since the first look
	cpu      float64   // smoothed sum of utilisations, in environments
	inFlight float64   // smoothed
	served   float64   // invocations of late, fading over Smoothing
	refused  float64   // likewise
	held     int       // what the load was last given, before Min and Max
	peaks    []peak    // demands of the last Hold, falling
	stepped  time.Time // when the last step down was made
}

// peak is a demand that no later one has exceeded.
type peak struct {
	at   time.Time
	want int
}

// Decision is how many environments a version should have.
type Decision struct {
	Want  int
	Cause Cause
	// Due is when to look again even if nothing happens; zero: not at all.
	Due time.Time
}

// Managed decides for one managed version. Scale-out follows the load at once;
// scale-in follows the highest demand of the last Hold, step by step, and never
// while blind.
func (s State) Managed(in Signals, b Bounds, now time.Time) (State, Decision) {
	if s.at.IsZero() || s.learning {
		// After a start, what is there was wanted a moment ago; while blind, more of it may come to light.
		s.held = max(s.held, in.Serving+in.Starting)
		s.peaks, s.learning = []peak{{now, s.held}}, in.Blind
	}
	s = s.smoothed(in, now)
	up, cause := s.demand(in, b, 1)
	down, _ := s.demand(in, b, 1-Tolerance)
	next := s.held
	switch {
	case up > s.held:
		next = min(up, max(in.Serving*MaxGrowth, s.held))
	case in.Blind:
		cause = Blindness
	case cause == HostLimit:
	default:
		next, cause = s.stepDown(down, now)
	}
	s.peaks = remember(s.peaks, peak{now, down}, now)
	if next != s.held {
		s.stepped = now
	}
	s.held = next
	return s, s.bounded(b, cause, now)
}

// smoothed averages the signals over Smoothing, whatever the time between looks.
func (s State) smoothed(in Signals, now time.Time) State {
	cpu, inFlight := in.CPU*float64(in.Serving), float64(in.InFlight)
	fade := 0.0 // what of the old counts still
	if !s.at.IsZero() {
		fade = math.Exp(-now.Sub(s.at).Seconds() / Smoothing.Seconds())
	}
	s.cpu += (1 - fade) * (cpu - s.cpu)
	s.inFlight += (1 - fade) * (inFlight - s.inFlight)
	s.served = s.served*fade + float64(in.Served)
	s.refused = s.refused*fade + float64(in.Refused)
	s.at = now
	return s
}

// demand is how many environments the load needs when the targets are scaled by
// factor, and which signal says so.
func (s State) demand(in Signals, b Bounds, factor float64) (int, Cause) {
	if in.Serving == 0 || in.Slots == 0 {
		return s.held, Settling
	}
	target := b.Target
	if target <= 0 {
		target = AutoTarget
	}
	perEnvironment := float64(in.Slots) / float64(in.Serving)
	want, cause := ceil(s.inFlight/(perEnvironment*SlotTarget*factor)), Concurrency
	if full := ceil(s.offered(in) / (perEnvironment * SlotTarget)); saturated(in) && full > want {
		want, cause = full, Saturated
	}
	if byCPU := ceil(s.cpu / (target * factor)); byCPU > want {
		if have := max(s.held, in.Serving); in.HostSaturated && byCPU > have {
			return max(want, have), HostLimit
		}
		want, cause = byCPU, CPU
	}
	return want, cause
}

func saturated(in Signals) bool {
	return in.Refused > 0 || float64(in.InFlight) >= Saturation*float64(in.Slots)
}

// offered is the concurrency that the callers asked for: refused calls would have
// stayed as long as the served ones do. Without a served one to go by they count once.
func (s State) offered(in Signals) float64 {
	if s.served < 1 {
		return float64(in.InFlight) + s.refused
	}
	return float64(in.InFlight) * (1 + s.refused/s.served)
}

// stepDown goes towards the highest demand of the last Hold, an environment or a
// tenth of them at a time.
func (s State) stepDown(down int, now time.Time) (int, Cause) {
	highest := down
	for _, p := range s.peaks {
		if now.Sub(p.at) < Hold {
			highest = max(highest, p.want)
		}
	}
	switch {
	case down >= s.held:
		return s.held, Settling
	case highest >= s.held || now.Sub(s.stepped) < StepDown:
		return s.held, Holding
	}
	return max(highest, s.held-max(1, s.held/10)), Holding
}

// remember keeps the demands that still matter: falling, and none older than Hold.
func remember(peaks []peak, latest peak, now time.Time) []peak {
	kept := make([]peak, 0, len(peaks)+1)
	for _, p := range peaks {
		if p.want > latest.want && now.Sub(p.at) < Hold {
			kept = append(kept, p)
		}
	}
	return append(kept, latest)
}

// bounded puts the demand between the version's bounds. What is only held of a load
// that has fallen asks for no more than the maximum.
func (s State) bounded(b Bounds, cause Cause, now time.Time) Decision {
	d := Decision{Want: s.held, Cause: cause}
	if b.Max >= 0 && d.Want > b.Max {
		d.Want = b.Max
		if cause != Holding {
			d.Cause = Ceiling
		}
	}
	if d.Want <= b.Min {
		d.Want = b.Min
		if cause != HostLimit && d.Cause != Ceiling {
			d.Cause = Floor
		}
	}
	if s.held > b.Min {
		d.Due = now.Add(StepDown)
	}
	return d
}

// ceil rounds up, but not for what floating point leaves over.
func ceil(x float64) int { return int(math.Ceil(x - 1e-9)) }
