package mask

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// near is how far from now a time may be to count as a clock's: a function may
// look a day ahead (chosen).
const near = 48 * time.Hour

var (
	isoTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?`)
	dayTime = regexp.MustCompile(`^\d\d:\d\d:\d\d([.,]\d+)?`)
	webTime = regexp.MustCompile(`^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
	epoch   = regexp.MustCompile(`^\d{10}(\d{3}|\d{6}|\d{9})?(\.\d+)?`)
)

// clockText gives the length of the clock's time that s begins with, 0 without one.
func clockText(s string, now time.Time) int {
	if m := isoTime.FindString(s); m != "" {
		day, err := time.Parse(time.DateOnly, m[:10])
		if err == nil && day.Sub(now).Abs() < near+24*time.Hour {
			return len(m)
		}
		return 0
	}
	if m := dayTime.FindString(s); m != "" {
		at, err := time.Parse(time.TimeOnly, m[:8])
		if err == nil && sinceMidnight(now.UTC())-sinceMidnight(at) < 5*time.Minute && sinceMidnight(at) <= sinceMidnight(now.UTC()) {
			return len(m)
		}
		return 0
	}
	if m := webTime.FindString(s); m != "" {
		return len(m)
	}
	m := epoch.FindString(s)
	rest := s[len(m):]
	if m != "" && (rest == "" || !isWord(rune(rest[0]))) && isClockNumber(m, now) {
		return len(m)
	}
	return 0
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
}

// isClockNumber tells that a number is a time close to now in s, ms, µs or ns.
func isClockNumber(s string, now time.Time) bool {
	whole, _, _ := strings.Cut(s, ".")
	units := map[int]time.Duration{10: time.Second, 13: time.Millisecond, 16: time.Microsecond, 19: time.Nanosecond}
	unit, ok := units[len(whole)]
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return false
	}
	seconds := n / int64(time.Second/unit)
	return time.Unix(seconds, 0).Sub(now).Abs() < near
}

// measures are names whose numbers are measured anew each time, however alike
// they are while little runs.
var measures = regexp.MustCompile(`(?i)(elapsed|duration|latency|took|uptime|remaining|timestamp|memory|rss|heap)|(^|_)(pid|ms)$|[a-z](Ms|Millis|Micros|Nanos|Pid)$|_(ms|millis|seconds|secs|ns|us|pid)$`)

// isMeasure tells so by the last name of a path.
func isMeasure(l leaf) bool {
	if !l.number {
		return false
	}
	name := l.path[strings.LastIndexAny(l.path, ".→")+1:]
	name, _, _ = strings.Cut(name, "[")
	return measures.MatchString(name)
}
