package sim

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxLength bounds a run, so that a wrong date in a log does not make one of centuries.
const maxLength = 366 * 24 * time.Hour

// ParseShape reads a generator: steady:RATE, step:FROM:TO@AT, ramp:FROM:TO@PERIOD,
// sine:LOW:HIGH@PERIOD or sawtooth:LOW:HIGH@PERIOD, rates in calls per second.
func ParseShape(text string) (Traffic, error) {
	name, rest, ok := strings.Cut(text, ":")
	if !ok {
		return nil, noShape(text)
	}
	figures, period, timed := strings.Cut(rest, "@")
	var rates []float64
	for f := range strings.SplitSeq(figures, ":") {
		r, err := rate(f)
		if err != nil {
			return nil, fmt.Errorf("load %q: %w", text, err)
		}
		rates = append(rates, r)
	}
	if name == "steady" && len(rates) == 1 && !timed {
		return Steady(rates[0]), nil
	}
	d, err := time.ParseDuration(period)
	if err != nil || d <= 0 || d > maxLength || len(rates) != 2 {
		return nil, noShape(text)
	}
	switch name {
	case "step":
		return Step(rates[0], rates[1], d), nil
	case "ramp":
		return Ramp(rates[0], rates[1], 0, d), nil
	case "sine":
		return Sine(rates[0], rates[1], d), nil
	case "sawtooth":
		return Sawtooth(rates[0], rates[1], d), nil
	}
	return nil, fmt.Errorf("load %q: there is no shape %q; there are steady, step, ramp, sine and sawtooth", text, name)
}

func noShape(text string) error {
	return fmt.Errorf("load %q is none of steady:RATE, step:FROM:TO@AT, ramp:FROM:TO@PERIOD, sine:LOW:HIGH@PERIOD, sawtooth:LOW:HIGH@PERIOD, for example sine:10:900@24h", text)
}

func rate(text string) (float64, error) {
	r, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(r) || r < 0 || r > 1e9 {
		return 0, fmt.Errorf("%q is no rate of calls per second", text)
	}
	return r, nil
}

// ReadRates reads lines of seconds and calls per second, separated by a comma. A
// first line of words is a heading. The rate goes in a straight line from one to the next.
func ReadRates(r io.Reader) (Traffic, time.Duration, error) {
	lines := csv.NewReader(r)
	lines.FieldsPerRecord = 2
	lines.Comment = '#'
	var times []time.Duration
	var rates []float64
	for n := 1; ; n++ {
		f, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(f[0]), 64)
		if err != nil && n == 1 {
			continue
		}
		if err != nil || !(seconds >= 0 && seconds <= maxLength.Seconds()) {
			return nil, 0, fmt.Errorf("line %d: %q is no time in seconds", n, f[0])
		}
		at := time.Duration(seconds * float64(time.Second))
		if len(times) > 0 && at <= times[len(times)-1] {
			return nil, 0, fmt.Errorf("line %d: the time %v does not come after %v", n, at, times[len(times)-1])
		}
		value, err := rate(f[1])
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", n, err)
		}
		times, rates = append(times, at), append(rates, value)
	}
	if len(times) == 0 {
		return nil, 0, errors.New("no line has a time and a rate")
	}
	return Points(times, rates), times[len(times)-1], nil
}

// ReadLog reads an access log: common log format, or JSON lines with their time
// in a field, as text of RFC 3339 or as seconds or milliseconds since 1970. Each
// line is a call; the rate is that of its second. It tells how many lines had no time.
func ReadLog(r io.Reader, field string) (t Traffic, length time.Duration, skipped int, err error) {
	var seconds []int64
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		at, ok := timeOf(lines.Bytes(), field)
		if !ok {
			skipped++
			continue
		}
		seconds = append(seconds, at.Unix())
	}
	if err := lines.Err(); err != nil {
		return nil, 0, 0, err
	}
	if len(seconds) == 0 {
		return nil, 0, skipped, errors.New("no line has a time in the common log format, nor in the field " + field + " of a JSON object")
	}
	first, last := seconds[0], seconds[0]
	for _, s := range seconds {
		first, last = min(first, s), max(last, s)
	}
	if last-first > int64(maxLength.Seconds()) {
		return nil, 0, skipped, fmt.Errorf("the log goes from %v to %v: more than a year", time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC())
	}
	perSecond := make([]int32, last-first+1)
	for _, s := range seconds {
		perSecond[s-first]++
	}
	return func(at time.Duration) float64 {
		if i := int(at / time.Second); i < len(perSecond) {
			return float64(perSecond[i])
		}
		return 0
	}, time.Duration(len(perSecond)) * time.Second, skipped, nil
}

func timeOf(line []byte, field string) (time.Time, bool) {
	if line = bytes.TrimSpace(line); len(line) > 0 && line[0] == '{' {
		return timeOfObject(line, field)
	}
	_, rest, ok := bytes.Cut(line, []byte("["))
	stamp, _, ended := bytes.Cut(rest, []byte("]"))
	if !ok || !ended {
		return time.Time{}, false
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", string(stamp))
	return at, err == nil
}

func timeOfObject(line []byte, field string) (time.Time, bool) {
	var object map[string]any
	if json.Unmarshal(line, &object) != nil {
		return time.Time{}, false
	}
	switch v := object[field].(type) {
	case string:
		at, err := time.Parse(time.RFC3339Nano, v)
		return at, err == nil
	case float64:
		const year5000 = 1e11 // as seconds; what is more is milliseconds
		if v < 0 || v > year5000*1000 {
			return time.Time{}, false
		}
		if v > year5000 {
			v /= 1000
		}
		return time.Unix(int64(v), 0), true
	}
	return time.Time{}, false
}
