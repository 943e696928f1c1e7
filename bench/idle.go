package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

const (
	// largeType is a type whose every vCPU but the reserve is one smallest environment's.
	largeType = "c6a.48xlarge"
	largeRoom = 191
	// fleetMax is MaxVCpuCount of the idle mode's provider: more than ever run.
	fleetMax = 15000
)

// idleReport says what environments cost that nobody calls.
type idleReport struct {
	Date    time.Time  `json:"date"`
	Machine machine    `json:"machine"`
	Steps   []idleStep `json:"steps"`
	// Slopes are KiB per environment, by role, by least squares over the steps; Fixed is where those lines begin.
	Slopes map[string]float64 `json:"kibPerEnvironment"`
	Fixed  map[string]float64 `json:"kibFixed"`
	CPU    idleCPU            `json:"idleCPU"`
}

// idleStep is a look at one number of environments, all on one instance.
type idleStep struct {
	Environments int                `json:"environments"`
	KiB          map[string]float64 `json:"kib"` // by role; shared pages count in parts (PSS)
}

// idleCPU is the CPU time of many environments that nobody calls.
type idleCPU struct {
	Environments int                `json:"environments"`
	Instances    int                `json:"instances"`
	Seconds      float64            `json:"seconds"`
	Percent      map[string]float64 `json:"percentOfACore"` // by role
}

// measureIdle is the idle mode: memory over many one-slot environments on one
// large instance, then CPU time over b.many environments on as many as they need.
func (b *bench) measureIdle() (*idleReport, error) {
	r := &idleReport{Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine()}
	l, err := b.startServer()
	if err != nil {
		return nil, err
	}
	defer b.stopServer()
	f := l.function
	f.Name, f.MaxConcurrency = "idle", 1
	if f.Provider, err = l.largeProvider(b.ctx, f.Provider); err != nil {
		return nil, err
	}
	if err := l.clients.Publish(b.ctx, f); err != nil {
		return nil, err
	}
	if err := l.clients.WaitActive(b.ctx, f.Name, startLimit); err != nil {
		return nil, err
	}
	for _, n := range idleSteps(b.many) {
		b.progress("idle environments on one instance: %d", n)
		if err := l.scaleTo(b.ctx, f.Name, n); err != nil {
			return nil, err
		}
		if err := rest(b.ctx, b.rest); err != nil {
			return nil, err
		}
		r.Steps = append(r.Steps, idleStep{n, laminaMemory(l.process.pid())})
	}
	r.fit()
	b.progress("idle environments: %d", b.many)
	if err := l.scaleTo(b.ctx, f.Name, b.many); err != nil {
		return nil, err
	}
	r.CPU, err = l.idleCPU(b)
	return r, err
}

// idleSteps are the numbers of environments of the memory's looks.
func idleSteps(many int) []int {
	var steps []int
	for _, n := range []int{10, 50, 90, 130, 170, largeRoom} {
		if n <= many {
			steps = append(steps, n)
		}
	}
	return steps
}

// largeProvider makes a provider in one zone that launches large instances only.
// like is another one's ARN, whose network and role it shares.
func (l *laminaServer) largeProvider(ctx context.Context, like string) (string, error) {
	other := like[strings.LastIndex(like, ":")+1:]
	got, err := l.clients.Lambda.GetCapacityProvider(ctx, &lambda.GetCapacityProviderInput{CapacityProviderName: &other})
	if err != nil {
		return "", fmt.Errorf("reading capacity provider %s: %w", other, err)
	}
	p := got.CapacityProvider
	p.VpcConfig.SubnetIds = p.VpcConfig.SubnetIds[:1]
	large := name + "-large"
	if _, err := l.clients.Lambda.CreateCapacityProvider(ctx, &lambda.CreateCapacityProviderInput{
		CapacityProviderName: &large, VpcConfig: p.VpcConfig, PermissionsConfig: p.PermissionsConfig,
		InstanceRequirements:          &types.InstanceRequirements{AllowedInstanceTypes: []string{largeType}},
		CapacityProviderScalingConfig: &types.CapacityProviderScalingConfig{MaxVCpuCount: new(int32(fleetMax))},
	}); err != nil {
		return "", fmt.Errorf("creating capacity provider %s: %w", large, err)
	}
	n := setup.Network{Subnets: p.VpcConfig.SubnetIds, Group: p.VpcConfig.SecurityGroupIds[0]}
	return l.clients.Provider(ctx, large, n, *p.PermissionsConfig.CapacityProviderOperatorRoleArn, nil)
}

// laminaMemory sums up, in KiB, what the server, its agents, what sandboxes run
// besides, and the functions hold, and what the kernel does for the whole machine.
func laminaMemory(server int) map[string]float64 {
	m := map[string]float64{"server": pss(server), "kernel (whole machine)": kernelMemory()}
	for pid, command := range descendants(server) {
		m[laminaRole(command)] += pss(pid)
	}
	return m
}

// idleCPU looks at the CPU time of the environments in peace.
func (l *laminaServer) idleCPU(b *bench) (c idleCPU, err error) {
	if err := rest(b.ctx, b.rest); err != nil {
		return c, err
	}
	pid := l.process.pid()
	for _, command := range descendants(pid) {
		if laminaRole(command) == roleAgent {
			c.Instances++
		}
	}
	began, before := time.Now(), laminaUsage(pid)
	if err := rest(b.ctx, b.look); err != nil {
		return c, err
	}
	used := usage{}
	used.add(before, laminaUsage(pid))
	took := time.Since(began)
	c.Environments, c.Seconds, c.Percent = b.many, took.Seconds(), map[string]float64{}
	for role, t := range used {
		c.Percent[role] = 100 * t.Seconds() / took.Seconds()
	}
	return c, nil
}

// rest waits, or tells that the run was cut short.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fit draws a line through each role's steps.
func (r *idleReport) fit() {
	r.Slopes, r.Fixed = map[string]float64{}, map[string]float64{}
	if len(r.Steps) < 2 {
		return
	}
	for role := range r.Steps[0].KiB {
		var xs, ys []float64
		for _, s := range r.Steps {
			xs, ys = append(xs, float64(s.Environments)), append(ys, s.KiB[role])
		}
		r.Slopes[role], r.Fixed[role] = line2(xs, ys)
	}
}

// line2 is the straight line of least squares: its slope and where it begins.
func line2(xs, ys []float64) (slope, begin float64) {
	var x, y, xx, xy float64
	for i := range xs {
		x, y, xx, xy = x+xs[i], y+ys[i], xx+xs[i]*xs[i], xy+xs[i]*ys[i]
	}
	n := float64(len(xs))
	slope = (n*xy - x*y) / (n*xx - x*x)
	return slope, (y - slope*x) / n
}

// print writes the report for people.
func (r *idleReport) print(w io.Writer) {
	r.Machine.print(w, r.Date)
	table(w, "memory of one-slot environments on one instance, KiB (PSS)", func(cells func(...string)) {
		roles := slices.Sorted(maps.Keys(r.Slopes))
		cells(append([]string{"environments"}, roles...)...)
		for _, s := range r.Steps {
			row := []string{fmt.Sprint(s.Environments)}
			for _, role := range roles {
				row = append(row, fmt.Sprintf("%.0f", s.KiB[role]))
			}
			cells(row...)
		}
		slopes, fixed := []string{"each"}, []string{"fixed"}
		for _, role := range roles {
			slopes, fixed = append(slopes, fmt.Sprintf("%.1f", r.Slopes[role])), append(fixed, fmt.Sprintf("%.0f", r.Fixed[role]))
		}
		cells(slopes...)
		cells(fixed...)
	})
	fmt.Fprintf(w, "\nthe platform's own per environment: %.1f KiB (agent and sandbox; the server's heap moves by more than they add to it)\n", r.platform())
	table(w, fmt.Sprintf("CPU time of %d idle environments on %d instances over %.0f s, %% of a core", r.CPU.Environments, r.CPU.Instances, r.CPU.Seconds), func(cells func(...string)) {
		for _, role := range slices.Sorted(maps.Keys(r.CPU.Percent)) {
			cells(role, fmt.Sprintf("%.2f", r.CPU.Percent[role]))
		}
	})
}

// platform is KiB per environment of the agent's and the sandbox's processes.
func (r *idleReport) platform() float64 { return r.Slopes[roleAgent] + r.Slopes[roleSandbox] }
