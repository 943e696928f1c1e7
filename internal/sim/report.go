package sim

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/scaler"
	"github.com/lamina-dev/lamina/internal/sim/chart"
)

// Report is a run of one function with what it costs here and there.
type Report struct {
	Config   Config
	Load     string // as the user named it
	Ordinary Ordinary
	Result   *Result
}

func (r Report) profile() Profile   { return r.Config.Functions[0].Profile }
func (r Report) provider() Provider { return r.Config.Providers[0] }

// Closing is the line that says from which rate on Managed Instances pay.
func (r Report) Closing() string {
	rate, ok := BreakEven(r.profile(), r.provider(), r.Ordinary)
	if !ok {
		return "For this profile Managed Instances are not cheaper than ordinary Lambda at any steady rate that the capacity provider can bear."
	}
	return fmt.Sprintf("For this profile Managed Instances are cheaper than ordinary Lambda from a steady %s calls/s (%s a month).", short(rate), short(rate*30*24*3600))
}

// Text writes the result for people.
func (r Report) Text(w io.Writer) error {
	res, p := r.Result, r.profile()
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s  %s\n", name, fmt.Sprintf(format, args...))
	}
	mode := "each call played"
	if r.Config.Aggregate {
		mode = "calls as amounts per quarter second"
	}
	line("load", "%s for %v, seed %d, %s", r.Load, r.Config.Length, r.Config.Seed, mode)
	line("function", "%v CPU + %v wait ± %.0f %%, %d MB, %g GiB per vCPU, %d slots", p.CPU, p.Wait, 100*p.Jitter, p.MemoryMB, p.GiBPerVCPU, p.Slots)
	line("provider", "%d vCPUs at most, CPU target %.0f %%, %d zones, smallest type that fits: %s", r.provider().MaxVCPU, 100*r.target(), len(r.provider().Zones), r.smallest())
	b.WriteByte('\n')
	line("calls", "%s", grouped(res.Calls))
	line("throttled", "%s (%.3f %%)", grouped(res.Throttled), share(res.Throttled, res.Calls))
	line("latency", "p50 %s   p90 %s   p99 %s   p99.9 %s", brief(res.Latency.Percentile(50)), brief(res.Latency.Percentile(90)), brief(res.Latency.Percentile(99)), brief(res.Latency.Percentile(99.9)))
	environments, instances := spread(res.Series, func(p Point) int { return p.Environments }), spread(res.Series, func(p Point) int { return p.Instances })
	line("environments", "%s", environments)
	line("instances", "%s", instances)
	line("vCPU hours", "%.1f", res.VCPUHours)
	if res.Unplaced > 0 {
		line("no room", "the provider's limits kept environments from starting %s times", grouped(res.Unplaced))
	}
	b.WriteByte('\n')
	here, there := r.bills()
	line("managed", "$%s = instances $%s + 15 %% fee $%s + requests $%s", dollars(here.Total), dollars(here.Instances), dollars(here.Fee), dollars(here.Requests))
	line("ordinary", "$%s = %d MB × %v × calls $%s + requests $%s", dollars(there.Total), r.Ordinary.MemoryMB, r.Ordinary.Duration(p), dollars(there.Compute), dollars(there.Requests))
	b.WriteByte('\n')
	b.WriteString(r.Closing() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) bills() (here, there Bill) {
	return r.Result.ManagedBill(), r.Ordinary.Bill(r.profile(), float64(r.Result.Served))
}

func (r Report) target() float64 {
	if t := r.provider().Target; t > 0 {
		return t
	}
	return scaler.AutoTarget
}

func (r Report) smallest() string {
	n := r.profile().need()
	for _, o := range r.provider().Offers {
		if int64(o.VCPUs)*1000-reserveMilliVCPU >= n.MilliVCPU && o.MemoryMiB-reserveMiB >= n.MemoryMiB {
			return fmt.Sprintf("%s, $%g an hour", o.Type, priceOf(o.Type))
		}
	}
	return "none"
}

// costs is what has been spent by each point of the series.
func (r Report) costs() (here, there []float64) {
	var a, b float64
	for _, p := range r.Result.Series {
		calls := float64(p.Calls - p.Throttled)
		a += managedBill(p.InstanceUSD, calls).Total
		b += r.Ordinary.Bill(r.profile(), calls).Total
		here, there = append(here, a), append(there, b)
	}
	return here, there
}

// CSV writes the series.
func (r Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"seconds", "calls", "throttled", "in_flight", "environments", "instances", "vcpus", "cpu", "p50_ms", "p99_ms", "managed_usd", "ordinary_usd"}) // Flush tells of errors
	here, there := r.costs()
	for i, p := range r.Result.Series {
		_ = out.Write([]string{
			number(p.At.Seconds()), strconv.FormatInt(p.Calls, 10), strconv.FormatInt(p.Throttled, 10), strconv.Itoa(p.InFlight),
			strconv.Itoa(p.Environments), strconv.Itoa(p.Instances), strconv.Itoa(int(p.VCPUs)), number(p.CPU),
			number(millis(p.Latency.Percentile(50))), number(millis(p.Latency.Percentile(99))), number(here[i]), number(there[i]),
		})
	}
	out.Flush()
	return out.Error()
}

// JSON writes summary and series.
func (r Report) JSON(w io.Writer) error {
	type point struct {
		Seconds      float64 `json:"seconds"`
		Calls        int64   `json:"calls"`
		Throttled    int64   `json:"throttled"`
		InFlight     int     `json:"inFlight"`
		Environments int     `json:"environments"`
		Instances    int     `json:"instances"`
		VCPUs        int32   `json:"vcpus"`
		CPU          float64 `json:"cpu"`
		P50          float64 `json:"p50Ms"`
		P99          float64 `json:"p99Ms"`
		ManagedUSD   float64 `json:"managedUsd"`
		OrdinaryUSD  float64 `json:"ordinaryUsd"`
	}
	here, there := r.costs()
	series := make([]point, len(r.Result.Series))
	for i, p := range r.Result.Series {
		series[i] = point{p.At.Seconds(), p.Calls, p.Throttled, p.InFlight, p.Environments, p.Instances, p.VCPUs, p.CPU,
			millis(p.Latency.Percentile(50)), millis(p.Latency.Percentile(99)), here[i], there[i]}
	}
	managed, ordinary := r.bills()
	latency := map[string]float64{}
	for _, p := range []float64{50, 90, 99, 99.9} {
		latency["p"+number(p)] = millis(r.Result.Latency.Percentile(p))
	}
	summary := map[string]any{
		"load": r.Load, "seconds": r.Config.Length.Seconds(), "seed": r.Config.Seed, "exact": !r.Config.Aggregate,
		"calls": r.Result.Calls, "throttled": r.Result.Throttled, "latencyMs": latency, "vcpuHours": r.Result.VCPUHours,
		"managedUsd": managed.Total, "ordinaryUsd": ordinary.Total, "conclusion": r.Closing(), "series": series,
	}
	if rate, ok := BreakEven(r.profile(), r.provider(), r.Ordinary); ok {
		summary["cheaperFromCallsPerSecond"] = rate
	}
	out := json.NewEncoder(w)
	out.SetIndent("", " ")
	return out.Encode(summary)
}

func millis(d time.Duration) float64 { return d.Seconds() * 1000 }

// Chart is the series as a picture.
func (r Report) Chart() chart.Chart {
	p := r.profile()
	c := chart.Chart{
		Title: "lamina simulate: " + r.Load,
		Notes: []string{fmt.Sprintf("%v CPU + %v wait per call, %d MB, %d slots; %d vCPUs at most", p.CPU, p.Wait, p.MemoryMB, p.Slots, r.provider().MaxVCPU), r.Closing()},
	}
	every := r.Config.Every.Seconds()
	of := func(f func(p Point) float64) []float64 {
		out := make([]float64, len(r.Result.Series))
		for i, p := range r.Result.Series {
			out[i] = f(p)
		}
		return out
	}
	for _, p := range r.Result.Series {
		c.Times = append(c.Times, p.At)
	}
	here, there := r.costs()
	c.Panels = []chart.Panel{
		{Title: "Calls per second", Lines: []chart.Line{
			{Name: "offered", Values: of(func(p Point) float64 { return float64(p.Calls) / every })},
			{Name: "throttled", Values: of(func(p Point) float64 { return float64(p.Throttled) / every })}}},
		{Title: "Environments and instances", Lines: []chart.Line{
			{Name: "environments", Values: of(func(p Point) float64 { return float64(p.Environments) })},
			{Name: "instances", Values: of(func(p Point) float64 { return float64(p.Instances) })}}},
		{Title: "CPU use of the environments, %", Lines: []chart.Line{{Name: "CPU", Values: of(func(p Point) float64 { return 100 * p.CPU })}}},
		{Title: "Latency, ms", Lines: []chart.Line{
			{Name: "p50", Values: of(func(p Point) float64 { return millis(p.Latency.Percentile(50)) })},
			{Name: "p99", Values: of(func(p Point) float64 { return millis(p.Latency.Percentile(99)) })}}},
		{Title: "Cost so far, USD", Lines: []chart.Line{{Name: "Managed Instances", Values: here}, {Name: "ordinary Lambda", Values: there}}},
	}
	return c
}

func share(part, whole int64) float64 { return 100 * float64(part) / max(1, float64(whole)) }

// spread tells least, mean and most.
func spread(series []Point, of func(Point) int) string {
	if len(series) == 0 {
		return "none"
	}
	least, most, sum := of(series[0]), 0, 0
	for _, p := range series {
		n := of(p)
		least, most, sum = min(least, n), max(most, n), sum+n
	}
	return fmt.Sprintf("%d to %d, mean %.1f", least, most, float64(sum)/float64(len(series)))
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }

func dollars(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 4, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func brief(d time.Duration) string { return strconv.FormatFloat(millis(d), 'f', 1, 64) + " ms" }

// short writes a large number with a word.
func short(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.1f billion", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.1f million", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0f thousand", v/1e3)
	}
	return fmt.Sprintf("%.1f", v)
}

// grouped writes a number with its thousands apart.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
