package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Traffic is the rate of calls, per second, at a time of the run.
type Traffic func(at time.Duration) float64

// Steady is the same rate all the time.
func Steady(rate float64) Traffic { return func(time.Duration) float64 { return rate } }

// Step goes from one rate to another at a time.
func Step(from, to float64, at time.Duration) Traffic {
	return func(now time.Duration) float64 {
		if now < at {
			return from
		}
		return to
	}
}

// Ramp goes from one rate to another in a straight line.
func Ramp(from, to float64, begin, length time.Duration) Traffic {
	return func(now time.Duration) float64 {
		return from + (to-from)*math.Min(1, math.Max(0, float64(now-begin)/float64(length)))
	}
}

// Sine swings between two rates, from the lower one on.
func Sine(low, high float64, period time.Duration) Traffic {
	return func(now time.Duration) float64 {
		return low + (high-low)*(1-math.Cos(2*math.Pi*float64(now)/float64(period)))/2
	}
}

// Sawtooth rises in a straight line and falls at once.
func Sawtooth(low, high float64, period time.Duration) Traffic {
	return func(now time.Duration) float64 {
		return low + (high-low)*float64(now%period)/float64(period)
	}
}

// Points is rates at times, in a straight line between them. Times rise.
func Points(times []time.Duration, rates []float64) Traffic {
	last := 0
	return func(now time.Duration) float64 {
		if last > 0 && now < times[last] {
			last = 0
		}
		for last+1 < len(times) && times[last+1] <= now {
			last++
		}
		if now <= times[last] || last+1 == len(times) {
			return rates[last]
		}
		share := float64(now-times[last]) / float64(times[last+1]-times[last])
		return rates[last] + share*(rates[last+1]-rates[last])
	}
}

// segment is how long a rate is taken to hold.
const segment = 100 * time.Millisecond

// next is when the next call comes after now, as random arrivals do (Poisson);
// end when there is none before it.
func (t Traffic) next(now, end time.Duration, random *rand.Rand) time.Duration {
	due := random.ExpFloat64()
	for now < end {
		until := min(end, now-now%segment+segment)
		rate := t(now) / float64(time.Second)
		if expected := rate * float64(until-now); expected >= due {
			return now + time.Duration(due/rate)
		} else {
			due -= expected
		}
		now = until
	}
	return end
}

// Calls is how many calls are expected until end.
func (t Traffic) Calls(end time.Duration) float64 {
	sum := 0.0
	for now := time.Duration(0); now < end; now += segment {
		sum += t(now) * min(segment, end-now).Seconds()
	}
	return sum
}
