package metric

import (
	"slices"
	"time"
)

// bucket sums up what was measured in a span of time.
type bucket struct {
	start int64 // Unix seconds, a multiple of width
	width int64 // seconds
	Stat
}

// tier says how long data are kept in buckets of a width, and which come after.
type tier struct {
	width, next int64
	keep        time.Duration
}

// tiers are AWS's (reference of GetMetricStatistics: three hours, 15 days, 63
// days, 455 days), and one of 10 seconds for the service's own metrics (chosen).
var tiers = []tier{
	{width: 1, next: 60, keep: 3 * time.Hour},
	{width: 10, next: 60, keep: 15 * time.Minute},
	{width: 60, next: 300, keep: 15 * 24 * time.Hour},
	{width: 300, next: 3600, keep: 63 * 24 * time.Hour},
	{width: 3600, next: 0, keep: 455 * 24 * time.Hour},
}

// widthAt is how wide a bucket is that began as wide as width, at an age; 0: it
// is no longer kept.
func widthAt(width int64, age time.Duration) int64 {
	for _, t := range tiers {
		if t.width == width && age > t.keep {
			width = t.next
		}
	}
	return width
}

// series is the data of one metric in one unit.
type series struct {
	unit    string
	buckets []bucket // by start, then by width
}

// find is where a bucket stands, or would.
func (s *series) find(start, width int64) (int, bool) {
	return slices.BinarySearchFunc(s.buckets, bucket{start: start, width: width}, func(a, b bucket) int {
		if a.start != b.start {
			return int(a.start - b.start)
		}
		return int(a.width - b.width)
	})
}

// merge takes a bucket in; it says whether there is one more now.
func (s *series) merge(b bucket) bool {
	i, found := s.find(b.start, b.width)
	if found {
		s.buckets[i].Merge(b.Stat)
		return false
	}
	b.Stat = b.clone()
	s.buckets = slices.Insert(s.buckets, i, b)
	return true
}

// age makes wider buckets of those whose time has come and forgets the oldest
// ones and those before cutoff. It gives by how many they became fewer.
func (s *series) age(now time.Time, cutoff int64) int {
	before := len(s.buckets)
	var moved []bucket
	s.buckets = slices.DeleteFunc(s.buckets, func(b bucket) bool {
		width := widthAt(b.width, now.Sub(time.Unix(b.start, 0)))
		if b.start < cutoff {
			return true
		}
		if width == b.width {
			return false
		}
		if width > 0 {
			b.start, b.width = b.start-b.start%width, width
			moved = append(moved, b)
		}
		return true
	})
	for _, b := range moved {
		s.merge(b)
	}
	return before - len(s.buckets)
}

// last is when the newest bucket begins; 0 without any.
func (s *series) last() int64 {
	if len(s.buckets) == 0 {
		return 0
	}
	return s.buckets[len(s.buckets)-1].start
}

// table holds the series of metrics by their keys.
type table map[string]*metric

// metric is an ID with its series, one per unit.
type metric struct {
	id    ID
	units []*series
}

// series finds a metric's series in a unit, or makes it.
func (t table) series(key string, id ID, unit string) *series {
	m := t[key]
	if m == nil {
		m = &metric{id: id}
		t[key] = m
	}
	for _, s := range m.units {
		if s.unit == unit {
			return s
		}
	}
	s := &series{unit: unit}
	m.units = append(m.units, s)
	return s
}

// add takes samples in; it gives by how many the buckets became more.
func (t table) add(samples []Sample, now time.Time) (more int) {
	for _, sample := range samples {
		width := widthAt(int64(sample.Resolution), now.Sub(sample.Time))
		if width == 0 || sample.Stat.Count == 0 {
			continue
		}
		at := sample.Time.Unix()
		if t.series(sample.ID.Key(), sample.ID, sample.Unit).merge(bucket{at - at%width, width, sample.Stat}) {
			more++
		}
	}
	return more
}

// merge takes another table in.
func (t table) merge(o table) (more int) {
	for key, m := range o {
		for _, s := range m.units {
			to := t.series(key, m.id, s.unit)
			for _, b := range s.buckets {
				if to.merge(b) {
					more++
				}
			}
		}
	}
	return more
}
