package sim

import (
	"math"
	"math/bits"
	"time"
)

// Result is what became of a run.
type Result struct {
	Calls, Served, Throttled, Lost int64
	InFlight                       int64           // at the end
	Unplaced                       int64           // environments that found no place, counted at each try
	Turns                          []time.Duration // when the number of environments wanted changed its direction
	Latency                        Histogram
	Series                         []Point
	VCPUHours                      float64
	InstanceUSD                    float64 // on-demand price of all instances, without the fee
	Violations                     []string
}

// Point is the state at one time, and what happened since the point before.
type Point struct {
	At                     time.Duration
	Calls, Throttled, Lost int64
	InFlight               int
	Environments           int // that serve
	Instances              int // launching ones included
	VCPUs                  int32
	CPU                    float64   // mean use of the environments, 0..1
	InstanceUSD            float64   // on-demand price of the instances in this time, without the fee
	Latency                Histogram `json:"-"`
}

// measure ends a point of the series.
func (w *world) measure() {
	p := &w.point
	p.At = w.now
	hours := w.cfg.Every.Hours()
	cpu := 0.0
	p.InFlight = int(w.inFlight)
	for _, v := range w.versions {
		p.Environments += v.ready
		cpu += v.cpu
	}
	p.CPU = cpu / max(1, float64(p.Environments))
	for _, provider := range w.providers {
		p.Instances += len(provider.instances)
		p.VCPUs += provider.vcpus
		for _, i := range provider.instances {
			w.result.VCPUHours += hours * float64(i.vcpus)
			p.InstanceUSD += hours * i.price
		}
	}
	w.result.InstanceUSD += p.InstanceUSD
	w.result.Series = append(w.result.Series, *p)
	w.point = Point{}
}

func (w *world) finish() {
	r := &w.result
	r.Latency = w.latency
	r.InFlight = w.inFlight
	if r.Calls != r.Served+r.Throttled+r.Lost+r.InFlight {
		w.violated("I3", "%d calls, but %d served, %d throttled, %d lost, %d in flight", r.Calls, r.Served, r.Throttled, r.Lost, r.InFlight)
	}
	var open int64
	for _, n := range w.answered {
		if n == 0 {
			open++
		}
	}
	if w.cfg.Audit && open != r.InFlight {
		w.violated("I3", "%d calls have no answer, %d are in flight", open, r.InFlight)
	}
}

// Histogram counts durations, each in a class 1/32 wide of its size, from a
// microsecond to hours. The zero value is empty.
type Histogram struct {
	classes []float64
	total   float64
}

const classesPerDoubling = 32

func class(d time.Duration) int {
	us := max(1, uint64(d/time.Microsecond))
	octave := bits.Len64(us) - 1
	return octave*classesPerDoubling + int((us<<5>>octave)&31)
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) { h.AddMany(d, 1) }

// AddMany counts a duration n times.
func (h *Histogram) AddMany(d time.Duration, n float64) {
	c := class(d)
	if c >= len(h.classes) {
		h.classes = append(h.classes, make([]float64, c+1-len(h.classes))...)
	}
	h.classes[c] += n
	h.total += n
}

// Merge adds another's counts, times weight.
func (h *Histogram) Merge(other *Histogram, weight float64) {
	if len(other.classes) > len(h.classes) {
		h.classes = append(h.classes, make([]float64, len(other.classes)-len(h.classes))...)
	}
	for c, n := range other.classes {
		h.classes[c] += n * weight
	}
	h.total += other.total * weight
}

// Percentile gives the duration that p of 100 do not exceed, to 3 %; 0 of none.
func (h *Histogram) Percentile(p float64) time.Duration {
	rank := p / 100 * h.total
	for c, n := range h.classes {
		if rank -= n; rank <= 1e-6 && n > 0 {
			octave, part := c/classesPerDoubling, c%classesPerDoubling
			us := math.Exp2(float64(octave)) * (1 + (float64(part)+0.5)/classesPerDoubling)
			return time.Duration(us * float64(time.Microsecond))
		}
	}
	return 0
}
