package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lamina-dev/lamina/bench/load"
)

// report is everything a run found, as it is kept.
type report struct {
	Date        time.Time `json:"date"`
	Machine     machine   `json:"machine"`
	Rounds      int       `json:"rounds"`
	Seconds     float64   `json:"seconds"` // of each measurement
	Payload     int       `json:"payloadBytes"`
	Connections []int     `json:"connections"`
	Lines       []*line   `json:"lines"`
	Ratios      []ratio   `json:"ratios"`
}

// line is one subject's results.
type line struct {
	Key    string    `json:"key"`
	Name   string    `json:"name"`
	Closed []*closed `json:"closedLoop"` // by number of connections
	Open   open      `json:"openLoop"`
	// Added is the latency at one connection over the direct handler's of the same round, µs.
	AddedP50 load.Spread `json:"addedP50Micros"`
	AddedP99 load.Spread `json:"addedP99Micros"`
}

// closed is a line's closed loop at one number of connections.
type closed struct {
	Connections int         `json:"connections"`
	Rounds      []round     `json:"rounds"`
	PerSecond   load.Spread `json:"perSecond"`
	P50         load.Spread `json:"p50Micros"`
	P99         load.Spread `json:"p99Micros"`
	// CPU is each role's CPU time per invocation, µs.
	CPU map[string]float64 `json:"cpuMicros"`

	used usage
	all  int // requests, the unmeasured ones too
}

// open is a line's latency at a fixed rate, from the moment a request was due.
type open struct {
	Rate   float64     `json:"perSecond"`
	Rounds []round     `json:"rounds"`
	P50    load.Spread `json:"p50Micros"`
	P99    load.Spread `json:"p99Micros"`
	// LateP99 is how late the generator itself sent, waits for a free connection included.
	LateP99 load.Spread `json:"lateP99Micros"`
}

// round is one measurement.
type round struct {
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50Micros"`
	P99       float64 `json:"p99Micros"`
	LateP99   float64 `json:"lateP99Micros,omitempty"`
	OK        int     `json:"ok"`
	Throttled int     `json:"throttled"` // 429
	Failed    int     `json:"failed"`
	Error     string  `json:"error,omitempty"` // the first one
}

func newReport(b *bench) *report {
	r := &report{
		Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(),
		Rounds: b.rounds, Seconds: b.length.Seconds(), Payload: b.settings.payload, Connections: b.connections,
	}
	for _, s := range b.subjects {
		l := &line{Key: s.key, Name: s.name}
		for _, n := range b.connections {
			l.Closed = append(l.Closed, &closed{Connections: n, used: usage{}})
		}
		r.Lines = append(r.Lines, l)
	}
	return r
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func roundOf(res load.Result) round {
	return round{
		PerSecond: res.Throughput(), P50: micros(load.Quantile(res.Latencies, 0.5)), P99: micros(load.Quantile(res.Latencies, 0.99)),
		LateP99: micros(load.Quantile(res.Late, 0.99)),
		OK:      res.OK, Throttled: res.Throttled + res.Warm.Throttled, Failed: res.Failed + res.Warm.Failed, Error: res.Error,
	}
}

func (c *closed) add(res load.Result, before, after usage) {
	c.Rounds = append(c.Rounds, roundOf(res))
	c.used.add(before, after)
	c.all += res.All() + res.Warm.All()
}

// over sums one figure of all rounds up.
func over(rounds []round, figure func(round) float64) load.Spread {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = figure(r)
	}
	return load.SpreadOf(values)
}

func perSecond(r round) float64 { return r.PerSecond }
func p50(r round) float64       { return r.P50 }
func p99(r round) float64       { return r.P99 }
func lateP99(r round) float64   { return r.LateP99 }

// sum fills in what follows from the closed loop's rounds.
func (l *line) sum() {
	for _, c := range l.Closed {
		c.PerSecond, c.P50, c.P99 = over(c.Rounds, perSecond), over(c.Rounds, p50), over(c.Rounds, p99)
		c.CPU = map[string]float64{}
		for role, t := range c.used {
			c.CPU[role] = micros(t) / float64(max(c.all, 1))
		}
	}
}

// best is the line's own maximum.
func (l *line) best() float64 {
	best := 0.0
	for _, c := range l.Closed {
		best = max(best, c.PerSecond.Median)
	}
	return best
}

// at gives the closed loop at so many connections; nil when that was not measured.
func (l *line) at(connections int) *closed {
	for _, c := range l.Closed {
		if c.Connections == connections {
			return c
		}
	}
	return nil
}

func (r *report) line(key string) *line {
	for _, l := range r.Lines {
		if l.Key == key {
			return l
		}
	}
	return nil
}

// save keeps a report as JSON.
func save(r any, path string) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	return nil
}
