package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/bench/load"
)

// The density mode's function and load (targets.md P12).
const (
	densityCPU  = 5 * time.Millisecond
	densityWait = 50 * time.Millisecond
	// densitySlots is a little more than the (50+5)/5 that keep the vCPU busy (chosen).
	densitySlots = 32
)

// densityFunction tells the function to work and wait as its event says.
var densityFunction = map[string]string{"BENCH_HANDLER": "density"}

// densityReport holds a function that mostly waits, many calls at once and one
// at a time, against what its vCPU can do at most.
type densityReport struct {
	Date    time.Time `json:"date"`
	Machine machine   `json:"machine"`
	Rounds  int       `json:"rounds"`
	Seconds float64   `json:"seconds"`
	// Limit is the same work without the waiting; calls a second, by round.
	Limit  []round     `json:"cpuBoundLimit"`
	Many   []round     `json:"manyAtOnce"`
	One    []round     `json:"oneAtATime"`
	Share  load.Spread `json:"manyOverLimit"`
	Factor load.Spread `json:"manyOverOne"`
	// Whole is over what a core can do of such work when nothing else costs any: 200 a second.
	Whole load.Spread `json:"manyOverWholeCore"`
}

// measureDensity is the density mode: one environment, whose one vCPU is one core
// and not more.
func (b *bench) measureDensity() (*densityReport, error) {
	b.up = append([]string{"--vcpu-cores", "1", "--cpu-limit", "hard"}, b.up...)
	b.environments = 1
	l, err := b.startServer()
	if err != nil {
		return nil, err
	}
	defer b.stopServer()
	many, err := l.dense(b, "many", densitySlots)
	if err != nil {
		return nil, err
	}
	one, err := l.dense(b, "one", 1)
	if err != nil {
		return nil, err
	}
	r := &densityReport{Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(), Rounds: b.rounds, Seconds: b.length.Seconds()}
	warm := max(b.length/10, leastWarm)
	var whole []float64
	for i := range b.rounds {
		b.progress("density, round %d of %d", i+1, b.rounds)
		for _, x := range []struct {
			to          *[]round
			function    string
			wait        time.Duration
			connections int
		}{
			{&r.Limit, many, 0, densitySlots},
			{&r.Many, many, densityWait, densitySlots},
			{&r.One, one, densityWait, 1},
		} {
			target, err := l.denseTarget(b.ctx, x.function, x.wait)
			if err != nil {
				return nil, err
			}
			*x.to = append(*x.to, roundOf(load.Closed(b.ctx, target, x.connections, warm, b.length)))
		}
	}
	for _, x := range r.Many {
		whole = append(whole, x.PerSecond*densityCPU.Seconds())
	}
	r.Whole = load.SpreadOf(whole)
	r.Share, r.Factor = load.SpreadOf(quotients(r.Many, r.Limit)), load.SpreadOf(quotients(r.Many, r.One))
	return r, nil
}

// dense publishes the function with so many slots and gives its name.
func (l *laminaServer) dense(b *bench, name string, slots int32) (string, error) {
	f := l.function
	f.Name, f.MaxConcurrency, f.Variables = name, slots, densityFunction
	if err := l.clients.Publish(b.ctx, f); err != nil {
		return "", err
	}
	if err := l.clients.WaitActive(b.ctx, f.Name, startLimit); err != nil {
		return "", err
	}
	return name, l.scale(b, name)
}

// denseTarget is a call of the function that waits so long; its signature is good for minutes.
func (l *laminaServer) denseTarget(ctx context.Context, function string, wait time.Duration) (load.Target, error) {
	event := fmt.Appendf(nil, `{"cpu":%d,"wait":%d}`, densityCPU.Microseconds(), wait.Microseconds())
	signed := &signedRequest{clients: l.clients, host: strings.TrimPrefix(l.endpoint, "http://"), function: function, body: event}
	err := signed.sign(ctx)
	return load.Target{Addr: signed.host, Request: signed.get, Answer: event}, err
}

// quotients are one line's throughput over another's, round by round.
func quotients(of, to []round) []float64 {
	var values []float64
	for i := range min(len(of), len(to)) {
		if to[i].PerSecond > 0 {
			values = append(values, of[i].PerSecond/to[i].PerSecond)
		}
	}
	return values
}

// print writes the report for people.
func (r *densityReport) print(w io.Writer) {
	r.Machine.print(w, r.Date)
	fmt.Fprintf(w, "%d interleaved rounds of %g s; %v of CPU and %v of waiting on one vCPU, a core's worth and not more\n", r.Rounds, r.Seconds, densityCPU, densityWait)
	table(w, "calls a second and latency, median (min–max)", func(cells func(...string)) {
		cells("", "per second", "p50, µs")
		for _, x := range []struct {
			name   string
			rounds []round
		}{
			{"CPU-bound limit (the same without the waiting)", r.Limit},
			{fmt.Sprintf("%d at once in one environment", densitySlots), r.Many},
			{"one at a time", r.One},
		} {
			cells(x.name, spread(over(x.rounds, perSecond), "%.0f"), spread(over(x.rounds, p50), "%.0f"))
			printFailed(os.Stderr, x.name, "density", x.rounds)
		}
	})
	fmt.Fprintf(w, "\nmany at once ÷ CPU-bound limit: %s\nmany at once ÷ %.0f a second, a whole core's: %s\nmany at once ÷ one at a time: %s\n",
		spread(r.Share, "%.2f"), 1/densityCPU.Seconds(), spread(r.Whole, "%.2f"), spread(r.Factor, "%.1f"))
}
