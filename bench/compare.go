package main

import "github.com/lamina-dev/lamina/bench/load"

// ratio is one of Lamina's figures over another line's, taken round by round.
type ratio struct {
	Of          string      `json:"of"`
	To          string      `json:"to"`
	What        string      `json:"what"`
	Connections int         `json:"connections"`
	Value       load.Spread `json:"value"`
}

const (
	ofThroughput = "throughput"
	ofAdded      = "added p50"
)

// partners are the lines each of Lamina's is held against; the first is the
// bare path with the same client.
var partners = map[string][]string{
	"lamina":          {"bare4", "bare4-apart", "bare4-http", "bare-spread", "bare-spread-http", "bare-spread-http-apart", "proxy", "proxy-apart"},
	"lamina-official": {"bare4-official", "bare-spread-official", "proxy"},
}

// compare works out what lines say of each other.
func (r *report) compare() {
	for _, l := range r.Lines {
		l.Open.P50, l.Open.P99, l.Open.LateP99 = over(l.Open.Rounds, p50), over(l.Open.Rounds, p99), over(l.Open.Rounds, lateP99)
		l.AddedP50, l.AddedP99 = load.SpreadOf(r.added(l, p50)), load.SpreadOf(r.added(l, p99))
		for _, key := range partners[l.Key] {
			if other := r.line(key); other != nil {
				r.Ratios = append(r.Ratios, r.ratios(l, other)...)
			}
		}
	}
}

// added is, round by round, a latency at one connection less the direct handler's.
func (r *report) added(l *line, figure func(round) float64) []float64 {
	direct, own := r.line("direct").at(1), l.at(1)
	if direct == nil || own == nil {
		return nil
	}
	var values []float64
	for i := range min(len(own.Rounds), len(direct.Rounds)) {
		values = append(values, figure(own.Rounds[i])-figure(direct.Rounds[i]))
	}
	return values
}

func (r *report) ratios(l, other *line) []ratio {
	var all []ratio
	for i, c := range l.Closed {
		var values []float64
		for j := range min(len(c.Rounds), len(other.Closed[i].Rounds)) {
			if base := other.Closed[i].Rounds[j].PerSecond; base > 0 {
				values = append(values, c.Rounds[j].PerSecond/base)
			}
		}
		all = append(all, ratio{l.Key, other.Key, ofThroughput, c.Connections, load.SpreadOf(values)})
	}
	var values []float64
	own, base := r.added(l, p50), r.added(other, p50)
	for i := range min(len(own), len(base)) {
		if base[i] > 0 {
			values = append(values, own[i]/base[i])
		}
	}
	if len(values) > 0 {
		all = append(all, ratio{l.Key, other.Key, ofAdded, 1, load.SpreadOf(values)})
	}
	return all
}
