package cloudwatch

import (
	"math"
	"slices"
	"time"
)

// series are numbers over time, the oldest first.
type series struct {
	label  string
	period time.Duration
	times  []time.Time
	values []float64
}

// add puts a point at the end, where it is a number: what is divided by nothing is none.
func (l *series) add(at time.Time, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		l.times, l.values = append(l.times, at), append(l.values, v)
	}
}

// each is the series with every value replaced.
func (l series) each(f func(float64) float64) series {
	out := series{label: l.label, period: l.period}
	for i, v := range l.values {
		out.add(l.times[i], f(v))
	}
	return out
}

// with has a point wherever both have one.
func (l series) with(o series, f func(a, b float64) float64) series {
	out := series{label: l.label, period: max(l.period, o.period)}
	for i, j := 0, 0; i < len(l.times) && j < len(o.times); {
		switch c := l.times[i].Compare(o.times[j]); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			out.add(l.times[i], f(l.values[i], o.values[j]))
			i, j = i+1, j+1
		}
	}
	return out
}

// across makes one series of many: at each time of what those have that have a value.
func across(all []series, f func([]float64) float64) series {
	var out series
	values := map[time.Time][]float64{}
	for _, l := range all {
		out.period = max(out.period, l.period)
		for i, at := range l.times {
			values[at] = append(values[at], l.values[i])
		}
	}
	times := make([]time.Time, 0, len(values))
	for at := range values {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, at := range times {
		out.add(at, f(values[at]))
	}
	return out
}

// filled has a point in every period from a time to another where what says one: it is
// told its points before and after the gap, -1 and len for none.
func (l series) filled(from, to time.Time, what func(at time.Time, before, after int) float64) series {
	if l.period <= 0 {
		return l
	}
	out := series{label: l.label, period: l.period}
	i := 0
	for at := floor(from, l.period); at.Before(to); at = at.Add(l.period) {
		for ; i < len(l.times) && l.times[i].Before(at); i++ {
		}
		if i < len(l.times) && l.times[i].Equal(at) {
			out.add(at, l.values[i])
		} else {
			out.add(at, what(at, i-1, i))
		}
	}
	return out
}

// repeated is the value before the gap, and none where there is none.
func (l series) repeated(_ time.Time, before, _ int) float64 {
	if before < 0 {
		return math.NaN()
	}
	return l.values[before]
}

// between lies on the straight line between the gap's ends, where it has both.
func (l series) between(at time.Time, before, after int) float64 {
	if before < 0 || after >= len(l.times) {
		return math.NaN()
	}
	share := at.Sub(l.times[before]).Seconds() / l.times[after].Sub(l.times[before]).Seconds()
	return l.values[before] + share*(l.values[after]-l.values[before])
}

// constant is the same in every gap.
func (l series) constant(v float64) func(time.Time, int, int) float64 {
	return func(time.Time, int, int) float64 { return v }
}

func sumOf(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum
}

func average(values []float64) float64 { return sumOf(values) / float64(len(values)) }

func lowest(values []float64) float64 {
	m := math.Inf(1)
	for _, v := range values {
		m = min(m, v)
	}
	return m
}

func highest(values []float64) float64 {
	m := math.Inf(-1)
	for _, v := range values {
		m = max(m, v)
	}
	return m
}
