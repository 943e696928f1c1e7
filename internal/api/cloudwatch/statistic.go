package cloudwatch

import (
	"strconv"
	"strings"
	"time"

	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// statistic takes one number of a Stat; false where it can't be known.
type statistic func(metric.Stat) (float64, bool)

// statisticOf reads a statistic's name. AWS's trimmed means, percentile ranks
// and the like are not served.
func statisticOf(name string) (statistic, bool) {
	switch name {
	case model.StatisticSampleCount:
		return func(s metric.Stat) (float64, bool) { return s.Count, true }, true
	case model.StatisticAverage:
		return func(s metric.Stat) (float64, bool) { return s.Average(), true }, true
	case model.StatisticSum:
		return func(s metric.Stat) (float64, bool) { return s.Sum, true }, true
	case model.StatisticMinimum:
		return func(s metric.Stat) (float64, bool) { return s.Min, true }, true
	case model.StatisticMaximum:
		return func(s metric.Stat) (float64, bool) { return s.Max, true }, true
	}
	return percentile(name)
}

// percentile reads p50 or p99.9.
func percentile(name string) (statistic, bool) {
	digits, ok := strings.CutPrefix(name, "p")
	p, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || strings.ContainsAny(digits, "eExXnN+-_") || p < 0 || p > 100 {
		return nil, false
	}
	return func(s metric.Stat) (float64, bool) { return s.Percentile(p) }, true
}

// checkPeriod is AWS's rule: 1, 5, 10, 30 or a multiple of 60 seconds.
func checkPeriod(seconds int32) bool {
	switch seconds {
	case 1, 5, 10, 20, 30:
		return true
	}
	return seconds > 0 && seconds%60 == 0
}

// floor is the last whole multiple of a period before or at t.
func floor(t time.Time, period time.Duration) time.Time {
	s, p := t.Unix(), int64(period/time.Second)
	return time.Unix(s-((s%p)+p)%p, 0).UTC()
}

// ceil is t in whole seconds, up: a bucket that began before t counts.
func ceil(t time.Time) time.Time { return t.Add(time.Second - time.Nanosecond).Truncate(time.Second) }
