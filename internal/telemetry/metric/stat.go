package metric

import (
	"math"
	"slices"
)

// Stat sums up values. The zero Stat is that of none.
type Stat struct {
	Count, Sum, Min, Max float64

	bins  []bin // of the values, by index
	blind bool  // holds what is known by its sums only: there are no percentiles
}

// bin counts the values between two powers of the base.
type bin struct {
	index int16
	count float64
}

// The sketch (chosen): a percentile is off by 1 % at most. Above mostBins the
// lowest ones become one, so that the high percentiles stay exact.
const (
	base     = 1.02
	mostBins = 500
	zeroBin  = math.MinInt16
)

var logBase = math.Log(base)

func binOf(v float64) int16 {
	if v == 0 {
		return zeroBin
	}
	return int16(max(zeroBin+1, min(math.MaxInt16, math.Ceil(math.Log(v)/logBase))))
}

// middle is the value a bin stands for.
func (b bin) middle() float64 {
	if b.index == zeroBin {
		return 0
	}
	return 2 * math.Pow(base, float64(b.index)) / (base + 1)
}

// Of is the Stat of one value.
func Of(value float64) Stat {
	var s Stat
	s.Add(value, 1)
	return s
}

// Set is the Stat of a statistic set: sums of values that nobody knows. AWS
// gives percentiles of those only where they can't differ.
func Set(count, sum, least, most float64) Stat {
	if count == 1 || least == most {
		var s Stat
		s.Add(least, count)
		s.Sum, s.Max = sum, most
		return s
	}
	return Stat{Count: count, Sum: sum, Min: least, Max: most, blind: true}
}

// Add takes a value in, as often as count says.
func (s *Stat) Add(value, count float64) {
	if count <= 0 {
		return
	}
	if s.Count == 0 {
		s.Min, s.Max = value, value
	}
	s.Count += count
	s.Sum += value * count
	s.Min, s.Max = min(s.Min, value), max(s.Max, value)
	if value < 0 { // as on AWS: no percentiles of negative values
		s.blind, s.bins = true, nil
	}
	if !s.blind {
		s.put(bin{binOf(value), count})
	}
}

// put adds to a bin.
func (s *Stat) put(b bin) {
	i, found := slices.BinarySearchFunc(s.bins, b, func(a, b bin) int { return int(a.index) - int(b.index) })
	if found {
		s.bins[i].count += b.count
		return
	}
	s.bins = slices.Insert(s.bins, i, b)
	if len(s.bins) > mostBins {
		s.bins[1].count += s.bins[0].count
		s.bins = slices.Delete(s.bins, 0, 1)
	}
}

// Merge takes in what another Stat sums up.
func (s *Stat) Merge(o Stat) {
	if o.Count == 0 {
		return
	}
	if s.Count == 0 {
		s.Min, s.Max = o.Min, o.Max
	}
	s.Count += o.Count
	s.Sum += o.Sum
	s.Min, s.Max = min(s.Min, o.Min), max(s.Max, o.Max)
	if s.blind = s.blind || o.blind; s.blind {
		s.bins = nil
		return
	}
	for _, b := range o.bins {
		s.put(b)
	}
}

// clone shares nothing with s.
func (s Stat) clone() Stat {
	s.bins = slices.Clone(s.bins)
	return s
}

// Average is the mean of the values.
func (s Stat) Average() float64 { return s.Sum / s.Count }

// Percentile is the value below which p percent of the values lie, p from 0 to
// 100; false where the values are not known.
func (s Stat) Percentile(p float64) (float64, bool) {
	if s.blind || s.Count == 0 {
		return 0, false
	}
	rank, seen := p/100*s.Count, 0.0
	for _, b := range s.bins {
		if seen += b.count; seen >= rank {
			return max(s.Min, min(s.Max, b.middle())), true
		}
	}
	return s.Max, true
}
