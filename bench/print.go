package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lamina-dev/lamina/bench/load"
)

// print writes the report for people.
func (r *report) print(w io.Writer) {
	r.Machine.print(w, r.Date)
	fmt.Fprintf(w, "payload %d B, %d interleaved rounds of %g s, the load generator on the same cores\n", r.Payload, r.Rounds, r.Seconds)
	table(w, "closed loop: answers per second, median (min–max)", r.throughputs)
	table(w, "one connection: latency, µs, and what is added over the direct handler", r.latencies)
	table(w, fmt.Sprintf("open loop at %.0f %% of the line's own maximum: latency from the moment a request was due, µs", 100*openShare), r.opens)
	table(w, "Lamina as a ratio, median of the rounds (min–max)", r.ratioRows)
	table(w, fmt.Sprintf("CPU time per invocation by process, µs, at %s", connections(r.busy())), r.cpuRows)
	fmt.Fprintln(w, "\nrefused and failed requests")
	r.printFailures(w)
}

func table(w io.Writer, title string, rows func(cells func(...string))) {
	fmt.Fprintf(w, "\n%s\n", title)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.TabIndent)
	rows(func(cells ...string) { fmt.Fprintln(tab, "  "+strings.Join(cells, "\t")) })
	tab.Flush()
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}

func spread(s load.Spread, format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Min, s.Max)
}

func (r *report) throughputs(cells func(...string)) {
	head := []string{""}
	for _, n := range r.Connections {
		head = append(head, connections(n))
	}
	cells(head...)
	for _, l := range r.Lines {
		row := []string{l.Name}
		for _, c := range l.Closed {
			row = append(row, spread(c.PerSecond, "%.0f"))
		}
		cells(row...)
	}
}

func (r *report) latencies(cells func(...string)) {
	cells("", "p50", "p99", "added p50", "added p99")
	for _, l := range r.Lines {
		if c := l.at(1); c != nil {
			cells(l.Name, fmt.Sprintf("%.0f", c.P50.Median), fmt.Sprintf("%.0f", c.P99.Median), spread(l.AddedP50, "%.0f"), spread(l.AddedP99, "%.0f"))
		}
	}
}

func (r *report) opens(cells func(...string)) {
	cells("", "per second", "p50", "p99", "sent late p99")
	for _, l := range r.Lines {
		o := l.Open
		cells(l.Name, fmt.Sprintf("%.0f", o.Rate), spread(o.P50, "%.0f"), spread(o.P99, "%.0f"), fmt.Sprintf("%.0f", o.LateP99.Median))
	}
}

func (r *report) ratioRows(cells func(...string)) {
	for _, x := range r.Ratios {
		cells(r.name(x.Of)+" ÷ "+r.name(x.To), x.What, connections(x.Connections), spread(x.Value, "%.2f"))
	}
}

func (r *report) name(key string) string {
	switch key {
	case "bare4-http":
		return "bare 4 processes with net/http, lean client"
	case "bare-spread", "bare-spread-official":
		return "bare path, all environments"
	case "bare-spread-http":
		return "bare path, all environments, net/http"
	case "proxy":
		return "ReverseProxy"
	}
	return r.line(key).Name
}

// busy is the number of connections at which CPU time is shown: the middle one.
func (r *report) busy() int { return r.Connections[len(r.Connections)/2] }

func (r *report) cpuRows(cells func(...string)) {
	for _, l := range r.Lines {
		row, sum := []string{l.Name}, 0.0
		cpu := l.at(r.busy()).CPU
		for _, role := range slices.Sorted(maps.Keys(cpu)) {
			row = append(row, fmt.Sprintf("%s %.1f", role, cpu[role]))
			sum += cpu[role]
		}
		cells(append(row, fmt.Sprintf("sum %.1f", sum))...)
	}
}

func (r *report) printFailures(w io.Writer) {
	none := true
	for _, l := range r.Lines {
		for _, c := range l.Closed {
			none = printFailed(w, l.Name, connections(c.Connections), c.Rounds) && none
		}
		none = printFailed(w, l.Name, "open loop", l.Open.Rounds) && none
	}
	if none {
		fmt.Fprintln(w, "  none")
	}
}

// printFailed tells of what did not succeed, and whether there was nothing to tell.
func printFailed(w io.Writer, name, where string, rounds []round) bool {
	var ok, throttled, failed int
	first := ""
	for _, x := range rounds {
		ok, throttled, failed = ok+x.OK, throttled+x.Throttled, failed+x.Failed
		if first == "" {
			first = x.Error
		}
	}
	if throttled+failed == 0 {
		return true
	}
	fmt.Fprintf(w, "  %s, %s: %d of %d throttled (429), %d failed %s\n", name, where, throttled, ok+throttled+failed, failed, first)
	return false
}
