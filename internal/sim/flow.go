package sim

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// flow is the calls of one version as amounts: how many are in flight, not which.
// How fast they leave at so many per environment, and how long they take, was
// measured in exact runs, so that the router's choice is in it.
type flow struct {
	function Function
	measured []operatingPoint // rising in-flight
	inFlight float64
	served   float64 // not yet told as whole calls
	refused  float64
	arrived  float64
}

// operatingPoint is how environments do under one steady load.
type operatingPoint struct {
	inFlight float64 // per environment, on average
	rate     float64 // calls per second and environment that are answered
	cpu      float64 // use, 0..1
	refused  float64 // share of the calls, 0..1
	latency  Histogram
}

const (
	flowStep  = 10 * time.Millisecond
	probed    = 32 // environments of the exact runs that measure
	probeFor  = 12 * time.Second
	probeWarm = 4 * time.Second
)

// probes are the loads at which environments are measured, as shares of what they can bear.
var probes = []float64{0.02, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1, 1.05, 1.1, 1.2, 1.35, 1.6, 2, 3, 5}

func newFlow(f Function, cfg Config) *flow {
	fl := &flow{function: f}
	for _, share := range probes {
		if p := probe(f.Profile, share, cfg); len(fl.measured) == 0 || p.inFlight > fl.measured[len(fl.measured)-1].inFlight {
			fl.measured = append(fl.measured, p)
		}
	}
	return fl
}

// bears is how many calls per second one environment can answer.
func (p Profile) bears() float64 {
	slots := float64(p.Slots) / max(1e-6, (p.CPU+p.Wait).Seconds())
	if p.CPU == 0 {
		return slots
	}
	return min(slots, p.vcpus()/p.CPU.Seconds())
}

// probe measures an operating point in an exact run.
func probe(p Profile, share float64, cfg Config) operatingPoint {
	p.Min, p.Max = probed, probed
	// Long calls need long runs to be steady.
	longer := 1 + int64((p.CPU+p.Wait)/(100*time.Millisecond))
	warm, length := probeWarm*time.Duration(longer), probeFor*time.Duration(longer)
	r := Run(Config{
		Seed: cfg.Seed, Length: length, Every: 100 * time.Millisecond, Choice: cfg.Choice,
		Providers: []Provider{{MaxVCPU: math.MaxInt32, Zones: []string{"a"}, Offers: cfg.Providers[0].Offers}},
		Functions: []Function{{Profile: p, Traffic: Steady(share * p.bears() * probed), Warm: probed}},
	})
	var out operatingPoint
	n, answered, coming := 0.0, int64(0), int64(0)
	for _, point := range r.Series {
		if point.At <= warm {
			continue
		}
		n++
		out.inFlight += float64(point.InFlight) / probed
		out.cpu += point.CPU
		answered += point.Calls - point.Throttled
		coming += point.Calls
		out.latency.Merge(&point.Latency, 1)
	}
	out.inFlight /= n
	out.cpu /= n
	out.refused = 1 - float64(answered)/max(1, float64(coming))
	out.rate = float64(answered) / probed / (length - warm).Seconds()
	return out
}

// at gives what was measured at so many calls in flight per environment: between
// the measured points in a straight line. The latencies are those of the nearest.
func (f *flow) at(inFlight float64) (p operatingPoint, nearest *operatingPoint) {
	i := sort.Search(len(f.measured), func(i int) bool { return f.measured[i].inFlight >= inFlight })
	if i == len(f.measured) {
		return f.measured[i-1], &f.measured[i-1]
	}
	above, below := &f.measured[i], &operatingPoint{}
	if i > 0 {
		below = &f.measured[i-1]
	}
	share := (inFlight - below.inFlight) / (above.inFlight - below.inFlight)
	between := func(a, b float64) float64 { return a + share*(b-a) }
	p = operatingPoint{
		inFlight: inFlight, rate: between(below.rate, above.rate),
		cpu: between(below.cpu, above.cpu), refused: between(below.refused, above.refused),
	}
	if share < 0.5 && i > 0 {
		return p, below
	}
	return p, above
}

// step lets calls come and go for a time, with n environments. How many come
// varies as random arrivals do.
func (f *flow) step(at time.Duration, n int, random *rand.Rand) {
	dt := flowStep.Seconds()
	coming := arrivals(f.function.Traffic(at)*dt, random)
	f.arrived += coming
	if n == 0 {
		f.refused, f.inFlight = f.refused+coming, 0
		return
	}
	slots := float64(n) * float64(f.function.Slots)
	f.inFlight = min(f.inFlight, slots) // environments that went took their calls with them
	each := max(f.inFlight/float64(n), f.measured[0].inFlight/100)
	now, _ := f.at(each)
	turned := coming * now.refused
	stay := each / now.rate                  // seconds
	settles := (coming - turned) / dt * stay // in flight, if all stayed like this
	before := f.inFlight
	f.inFlight = settles + (before-settles)*math.Exp(-dt/stay)
	if over := f.inFlight - slots; over > 0 {
		f.inFlight, turned = slots, min(coming, turned+over)
	}
	f.refused += turned
	f.served += max(0, before+coming-turned-f.inFlight)
}

// arrivals is how many come when so many are expected (Poisson; for many, the
// normal distribution).
func arrivals(expected float64, random *rand.Rand) float64 {
	if expected > 50 {
		return expected + math.Sqrt(expected)*random.NormFloat64()
	}
	n := -1.0
	for passed := 0.0; passed <= expected; n++ {
		passed += random.ExpFloat64()
	}
	return n
}

// whole takes whole calls off an amount.
func whole(amount *float64) int64 {
	n := math.Floor(*amount)
	*amount -= n
	return int64(n)
}

// flowAll lets a quarter of a second pass for all versions, as long as between
// two reports of an agent, and has the controller look.
func (w *world) flowAll() {
	for _, v := range w.versions {
		f := v.flow
		for at := w.now - sampleInterval; at < w.now; at += flowStep {
			f.step(at, v.ready, w.calls)
		}
		state, nearest := f.at(f.inFlight / max(1, float64(v.ready)))
		served, refused, arrived := whole(&f.served), whole(&f.refused), whole(&f.arrived)
		v.cpu, v.inFlight = state.cpu*float64(v.ready), int(math.Round(f.inFlight))
		v.served, v.refused = v.served+served, v.refused+refused
		w.result.Calls, w.point.Calls = w.result.Calls+arrived, w.point.Calls+arrived
		w.result.Served += served
		w.result.Throttled, w.point.Throttled = w.result.Throttled+refused, w.point.Throttled+refused
		if nearest.latency.total > 0 {
			weight := float64(served) / nearest.latency.total
			w.latency.Merge(&nearest.latency, weight)
			w.point.Latency.Merge(&nearest.latency, weight)
		}
	}
	w.inFlight = 0
	for _, v := range w.versions {
		w.inFlight += int64(v.inFlight)
	}
	for _, p := range w.providers {
		w.wake(p, w.now)
	}
	w.queue.push(event{at: w.now + sampleInterval, kind: flowing})
}
