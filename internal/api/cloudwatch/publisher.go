package cloudwatch

import (
	"context"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/router"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
	"github.com/lamina-dev/lamina/internal/wire"
)

// namespace of all that the service measures, lmi-service.md 7.1.
const namespace = "AWS/Lambda"

// Names of metrics, lmi-service.md 7.2 and 7.3, and of their dimensions.
const (
	nameInvocations = "Invocations"
	nameErrors      = "Errors"
	nameThrottles   = "Throttles"
	nameDuration    = "Duration"
	nameConcurrent  = "ConcurrentExecutions"

	dimFunction = "FunctionName"
	dimResource = "Resource"
	dimExecuted = "ExecutedVersion"
	dimProvider = "CapacityProviderName"
	dimType     = "InstanceType"
)

const (
	// publishEvery is how often the service looks at itself (chosen; AWS publishes
	// the metrics of managed instances every 5 minutes, lmi-service.md 7.1).
	publishEvery = time.Second
	// restingEvery is how often it looks at instances and environments in which
	// nothing happens (chosen): many idle ones are to cost next to nothing.
	restingEvery = 5 * time.Second
	// ownResolution is the width in seconds of young buckets (chosen).
	ownResolution = 10
)

// Meters tells what the router counted since it was last asked.
type Meters interface {
	Meters(now time.Time) []router.Metered
}

// Fleet tells of the instances and their environments.
type Fleet interface {
	Members() map[string]fleet.Member
}

// Publisher turns what the router and the agents count into metrics.
type Publisher struct {
	Metrics  *metric.DB
	Meters   Meters
	Fleet    Fleet
	Versions *view.Table[lamina.Version]
	Now      lamina.Clock

	totals totals
	looked time.Time // at the instances, the last time
	busy   bool      // something happened in them then
}

// Run publishes until ctx ends, and then once more.
func (p *Publisher) Run(ctx context.Context) error {
	tick := time.NewTicker(publishEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.publish()
		case <-ctx.Done():
			p.publish()
			return nil
		}
	}
}

// publish takes one look.
func (p *Publisher) publish() {
	now := p.Now()
	b := batch{now: now}
	counted := p.calls(&b)
	calls := len(b.samples)
	if len(counted) > 0 || p.busy || now.Sub(p.looked) >= restingEvery {
		p.looked, p.busy = now, p.instances(&b)
		p.totals.see(b.samples[calls:])
	}
	p.Metrics.Record(b.samples)
	p.totals.keep(now, counted)
}

// batch collects the samples of one look.
type batch struct {
	now     time.Time
	samples []metric.Sample
}

func (b *batch) add(scope lamina.Scope, name, unit string, s metric.Stat, dimensions ...metric.Dimension) {
	b.samples = append(b.samples, metric.Sample{
		ID: metric.NewID(scope, namespace, name, dimensions...), Unit: unit, Time: b.now, Resolution: ownResolution, Stat: s,
	})
}

// count is a Stat of so many ones among so many invocations.
func count(ones, all float64) metric.Stat {
	var s metric.Stat
	s.Add(1, ones)
	s.Add(0, all-ones)
	return s
}

// called is what happened under one name of a version.
type called struct {
	router.Metered
	scope    lamina.Scope
	function string
	resource string
	executed string // where an alias chose the version
	managed  bool
	throttle string // the reason that refused calls count under
}

// calls publishes what the router counted.
func (p *Publisher) calls(b *batch) []called {
	var all []called
	var pressed map[string]pressure // looked at when something was refused
	running := map[lamina.Scope]map[string]float64{}
	for _, m := range p.Meters.Meters(b.now) {
		c, ok := p.called(m)
		if !ok || m.Peak == 0 && m.Duration.Count == 0 && m.Refused == 0 {
			continue
		}
		if c.managed && m.Refused > 0 {
			if pressed == nil {
				pressed = pressures(p.Fleet.Members())
			}
			c.throttle = pressed[m.VersionKey].reason()
		}
		all = append(all, c)
		c.publish(b)
		if running[c.scope] == nil {
			running[c.scope] = map[string]float64{}
		}
		running[c.scope][c.function] += float64(m.Peak)
	}
	for scope, functions := range running {
		total := 0.0
		for function, n := range functions {
			total += n
			b.add(scope, nameConcurrent, model.StandardUnitCount, metric.Of(n), metric.Dimension{Name: dimFunction, Value: function})
		}
		b.add(scope, nameConcurrent, model.StandardUnitCount, metric.Of(total))
	}
	return all
}

// called reads the names out of what the router knows.
func (p *Publisher) called(m router.Metered) (called, bool) {
	_, region, account, resource, ok := lamina.SplitARN(m.FunctionARN)
	name, isFunction := strings.CutPrefix(resource, "function:")
	if !ok || !isFunction {
		return called{}, false
	}
	function, qualifier, _ := strings.Cut(name, ":")
	c := called{Metered: m, scope: lamina.Scope{Account: account, Region: region}, function: function, resource: name}
	if executed := m.VersionKey[strings.LastIndexByte(m.VersionKey, '/')+1:]; qualifier != "" && executed != qualifier {
		c.executed = executed
	}
	if row, ok := p.Versions.Get(m.VersionKey); ok {
		c.managed = row.Value.Config.Managed()
	}
	return c, true
}

// sets are the dimensions under which AWS publishes an invocation.
func (c called) sets() [][]metric.Dimension {
	function, resource := metric.Dimension{Name: dimFunction, Value: c.function}, metric.Dimension{Name: dimResource, Value: c.resource}
	sets := [][]metric.Dimension{nil, {function}, {function, resource}}
	if c.executed != "" {
		sets = append(sets, []metric.Dimension{function, resource, {Name: dimExecuted, Value: c.executed}})
	}
	return sets
}

func (c called) publish(b *batch) {
	ran, refused := c.Duration.Count, float64(c.Refused)
	for _, set := range c.sets() {
		if ran > 0 {
			b.add(c.scope, nameInvocations, model.StandardUnitCount, count(ran, ran), set...)
			b.add(c.scope, nameErrors, model.StandardUnitCount, count(float64(c.Errors), ran), set...)
			b.add(c.scope, nameDuration, model.StandardUnitMilliseconds, c.Duration, set...)
		}
		if ran+refused > 0 {
			b.add(c.scope, nameThrottles, model.StandardUnitCount, count(refused, ran+refused), set...)
		}
		if refused > 0 && c.managed {
			for _, name := range throttleReasons {
				ones := 0.0
				if name == c.throttle {
					ones = refused
				}
				b.add(c.scope, name, model.StandardUnitCount, count(ones, refused), set...)
			}
		}
		if len(set) > 1 && c.Peak > 0 { // those of more than one resource are summed up first
			b.add(c.scope, nameConcurrent, model.StandardUnitCount, metric.Of(float64(c.Peak)), set...)
		}
	}
}

// instances publishes what the agents report, one sample per instance and, of each
// version on each provider, one that all its environments are in. It tells whether
// something happens in any.
func (p *Publisher) instances(b *batch) (busy bool) {
	versions := map[placed]*environments{}
	for _, m := range p.Fleet.Members() {
		if m.Hidden || !m.Connected || m.Ending {
			continue
		}
		use := usage{}
		for i := range m.Assigned {
			spec := &m.Assigned[i]
			status, ok := m.Environments[spec.ID]
			if !ok || status.State == wire.EnvironmentEnded {
				continue
			}
			use.add(spec, &status)
			busy = busy || status.InFlight > 0 || status.CPU > 0
			if status.State == wire.EnvironmentReady {
				at := placed{m.Scope, m.Provider, spec.Function, spec.Qualifier}
				if versions[at] == nil {
					versions[at] = new(environments)
				}
				versions[at].add(spec, &status)
			}
		}
		use.publish(b, m)
	}
	for at, e := range versions {
		e.publish(b, at)
	}
	return busy
}

// usage is what the environments of one instance hold and use.
type usage struct {
	milliVCPU, memory       float64 // allocated
	milliVCPUUsed, memoryIn float64
}

func (u *usage) add(spec *wire.EnvironmentSpec, status *wire.EnvironmentStatus) {
	u.milliVCPU += float64(spec.MilliVCPU)
	u.memory += float64(spec.MemoryMB) * (1 << 20)
	u.milliVCPUUsed += float64(spec.MilliVCPU) * status.CPU
	u.memoryIn += float64(status.Memory)
}

// publish: available is what the instance has for environments, allocated or
// not (chosen; AWS's words leave it open).
func (u usage) publish(b *batch, m fleet.Member) {
	set := []metric.Dimension{{Name: dimProvider, Value: m.Provider}, {Name: dimType, Value: m.Type}}
	vcpus, memory := float64(m.VCPUs), float64(m.MemoryMiB)*(1<<20)
	for _, g := range []struct {
		name, unit string
		value      float64
	}{
		{"CPUUtilization", model.StandardUnitPercent, percent(u.milliVCPUUsed, vcpus*1000)},
		{"MemoryUtilization", model.StandardUnitPercent, percent(u.memoryIn, memory)},
		{"vCPUAvailable", model.StandardUnitCount, vcpus - lamina.ReserveMilliVCPU/1000},
		{"vCPUAllocated", model.StandardUnitCount, u.milliVCPU / 1000},
		{"MemoryAvailable", model.StandardUnitBytes, memory - lamina.ReserveMiB*(1<<20)},
		{"MemoryAllocated", model.StandardUnitBytes, u.memory},
	} {
		b.add(m.Scope, g.name, g.unit, metric.Of(g.value), set...)
	}
}

// placed is a version on a capacity provider.
type placed struct {
	lamina.Scope
	provider, function, qualifier string
}

// environments is what those of one version report, each value as often as there
// are of them.
type environments struct{ running, limit, cpu, memory metric.Stat }

func (e *environments) add(spec *wire.EnvironmentSpec, status *wire.EnvironmentStatus) {
	e.running.Add(float64(status.InFlight), 1)
	e.limit.Add(float64(spec.Slots), 1)
	e.cpu.Add(percent(status.CPU, 1), 1)
	e.memory.Add(percent(float64(status.Memory), float64(spec.MemoryMB)*(1<<20)), 1)
}

func (e *environments) publish(b *batch, at placed) {
	set := []metric.Dimension{{Name: dimProvider, Value: at.provider}, {Name: dimFunction, Value: at.function}, {Name: dimResource, Value: at.function + ":" + at.qualifier}}
	b.add(at.Scope, "ExecutionEnvironmentConcurrency", model.StandardUnitCount, e.running, set...)
	b.add(at.Scope, "ExecutionEnvironmentConcurrencyLimit", model.StandardUnitCount, e.limit, set...)
	b.add(at.Scope, "ExecutionEnvironmentCPUUtilization", model.StandardUnitPercent, e.cpu, set...)
	b.add(at.Scope, "ExecutionEnvironmentMemoryUtilization", model.StandardUnitPercent, e.memory, set...)
}

// percent of a whole, at most all of it.
func percent(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(100, 100*part/whole)
}
