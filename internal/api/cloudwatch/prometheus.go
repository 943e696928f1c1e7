package cloudwatch

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// totals are the service's metrics as Prometheus wants them: counters since the
// start, and the last look at the fleet.
type totals struct {
	mu     sync.Mutex
	calls  map[string]*total // by labels
	gauges []metric.Sample
}

// total counts under one name of a version.
type total struct {
	last                           time.Time
	invocations, errors, throttles float64
	milliseconds                   float64
	throttled                      map[string]float64 // by reason, of a managed function
	peak                           int64
}

// totalIdle is how long a counter stays on which nothing was counted (chosen).
const totalIdle = 24 * time.Hour

// see keeps the last look at the fleet.
func (t *totals) see(gauges []metric.Sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gauges = gauges
}

func (t *totals) keep(now time.Time, all []called) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = map[string]*total{}
	}
	for _, c := range t.calls {
		c.peak = 0
	}
	for _, c := range all {
		labels := c.labels()
		sum := t.calls[labels]
		if sum == nil {
			sum = &total{}
			t.calls[labels] = sum
		}
		sum.last, sum.peak = now, c.Peak
		sum.invocations += c.Duration.Count
		sum.milliseconds += c.Duration.Sum
		sum.errors += float64(c.Errors)
		sum.throttles += float64(c.Refused)
		if c.managed {
			if sum.throttled == nil {
				sum.throttled = map[string]float64{}
			}
			sum.throttled[c.throttle] += float64(c.Refused)
		}
	}
	maps.DeleteFunc(t.calls, func(_ string, c *total) bool { return now.Sub(c.last) > totalIdle })
}

func (c called) labels() string {
	set := []metric.Dimension{{Name: dimFunction, Value: c.function}, {Name: dimResource, Value: c.resource}}
	if c.executed != "" {
		set = append(set, metric.Dimension{Name: dimExecuted, Value: c.executed})
	}
	return labels(metric.NewID(c.scope, namespace, "", set...))
}

// labels are a metric's account, region and dimensions in Prometheus's text.
func labels(id metric.ID) string {
	all := append([]metric.Dimension{{Name: "account", Value: id.Scope.Account}, {Name: "region", Value: id.Scope.Region}}, id.Dimensions...)
	parts := make([]string, len(all))
	for i, d := range all {
		parts[i] = snake(d.Name) + `="` + escape.Replace(d.Value) + `"`
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// escape is the format's way with label values.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// snake writes CPUUtilization as cpu_utilization, vCPUAvailable as vcpu_available.
func snake(name string) string {
	name = strings.ReplaceAll(name, "vCPU", "Vcpu")
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if upper := c >= 'A' && c <= 'Z'; upper {
			next := i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'
			if i > 0 && (next || name[i-1] >= 'a' && name[i-1] <= 'z') {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// family is one metric's lines.
type family struct{ name, kind, lines string }

// ServeHTTP writes all metrics in Prometheus's text format.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var b strings.Builder
	for _, f := range append(p.totals.counters(), p.totals.lastLook()...) {
		b.WriteString("# TYPE " + f.name + " " + f.kind + "\n" + f.lines)
	}
	_, _ = w.Write([]byte(b.String())) // the client may be gone
}

func (t *totals) counters() []family {
	t.mu.Lock()
	defer t.mu.Unlock()
	families := []struct {
		name, kind string
		value      func(*total) float64
	}{
		{nameInvocations, "counter", func(c *total) float64 { return c.invocations }},
		{nameErrors, "counter", func(c *total) float64 { return c.errors }},
		{nameThrottles, "counter", func(c *total) float64 { return c.throttles }},
		{nameConcurrencyThrottles, "counter", func(c *total) float64 { return c.throttled[nameConcurrencyThrottles] }},
		{nameCPUThrottles, "counter", func(c *total) float64 { return c.throttled[nameCPUThrottles] }},
		{nameMemoryThrottles, "counter", func(c *total) float64 { return c.throttled[nameMemoryThrottles] }},
		{nameDiskThrottles, "counter", func(c *total) float64 { return c.throttled[nameDiskThrottles] }},
		{"DurationMilliseconds", "counter", func(c *total) float64 { return c.milliseconds }},
		{nameConcurrent, "gauge", func(c *total) float64 { return float64(c.peak) }},
	}
	keys := slices.Sorted(maps.Keys(t.calls))
	var out []family
	for _, f := range families {
		name := "aws_lambda_" + snake(f.name)
		if f.kind == "counter" {
			name += "_total"
		}
		var lines strings.Builder
		for _, key := range keys {
			lines.WriteString(line(name, key, f.value(t.calls[key])))
		}
		out = append(out, family{name, f.kind, lines.String()})
	}
	return out
}

// lastLook gives the fleet's metrics; where a type has several instances, or a
// version several environments, the highest and the number of them.
func (t *totals) lastLook() []family {
	t.mu.Lock()
	defer t.mu.Unlock()
	type key struct{ name, labels string }
	sums := map[key]*metric.Stat{}
	for _, s := range t.gauges {
		k := key{"aws_lambda_" + snake(s.ID.Name), labels(s.ID)}
		if sums[k] == nil {
			sums[k] = &metric.Stat{}
		}
		sums[k].Merge(s.Stat)
	}
	lines := map[string][]string{}
	for k, sum := range sums {
		for _, f := range []struct {
			suffix string
			value  float64
		}{{"", sum.Average()}, {"_max", sum.Max}, {"_sum", sum.Sum}} {
			lines[k.name+f.suffix] = append(lines[k.name+f.suffix], line(k.name+f.suffix, k.labels, f.value))
		}
	}
	var out []family
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		slices.Sort(lines[name])
		out = append(out, family{name, "gauge", strings.Join(lines[name], "")})
	}
	return out
}

func line(name, labels string, value float64) string {
	return name + labels + " " + strconv.FormatFloat(value, 'g', -1, 64) + "\n"
}
