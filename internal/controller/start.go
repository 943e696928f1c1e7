package controller

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/wire"
)

// The hidden fleet of ordinary functions (DESIGN.md 6): large instances that
// many small environments share. Figures chosen.
const (
	hiddenMaxVCPU   = 15000
	hiddenType      = "m5.4xlarge"
	hiddenVCPUs     = 16
	hiddenMemoryMiB = 64 << 10
)

// start places o.start environments, launching instances for those that fit
// nowhere. While a generation is being brought up it is all or nothing: what
// does not fit fails it with the scheduler's reason, and nothing is launched. One
// that serves gets what fits.
func (c *Controller) start(ctx context.Context, r *round, g *group, v lamina.Version, o *outcome) error {
	if g.undecided {
		return nil // DESIGN.md 9; the fleet tells when it is over
	}
	bringingUp := v.Config.Capacity != nil && o.which == v.Generation && o.status.Serving != v.Generation
	request := c.request(r, g, v, o)
	request.Failed = c.failedLaunches(g.provider, v, bringingUp)
	d := scheduler.Decide(request)
	if len(d.Launch) > 0 && (d.Refusal == nil || !bringingUp) {
		if refusal := c.mayLaunch(ctx, g.provider, v); refusal != nil {
			d.Launch, d.Refusal = nil, refusal
		}
	}
	o.refusal = d.Refusal
	switch {
	case d.Refusal == nil:
	case bringingUp && d.Refusal == errNotYet:
		return nil
	case bringingUp && o.start <= o.floor && c.mayComeFree(r, g, v, d.Refusal):
		c.due(v.LastModified.Add(endingPatience))
		return nil // the fleet tells when they are gone
	case bringingUp || len(d.Place)+len(d.Launch) == 0:
		return c.refused(v, o, d.Refusal, bringingUp)
	default:
		c.due(c.cfg.Clock().Add(retryRound)) // what fits is better than nothing
	}
	for id, n := range d.Place {
		if err := c.place(r, v, o, id, n); err != nil {
			return err
		}
	}
	for _, l := range d.Launch {
		if refusal, err := c.launch(ctx, r, g, v, o, l); err != nil || refusal != nil {
			o.refusal = refusal
			return errors.Join(err, c.refused(v, o, refusal, bringingUp))
		}
	}
	return nil
}

func (c *Controller) refused(v lamina.Version, o *outcome, refusal *scheduler.Refusal, bringingUp bool) error {
	if refusal == nil {
		return nil
	}
	o.full = refusal != errNotYet
	if bringingUp && o.start > o.floor && c.cramp(v) {
		return nil
	}
	if bringingUp {
		o.fail(refusal.Code, refusal.Text)
		return nil
	}
	c.due(c.cfg.Clock().Add(retryRound))
	if v.Config.Capacity == nil {
		c.cfg.Routes.Fail(v.Key(), "Sandbox.Failure", refusal.Text)
	}
	return nil
}

// errNotYet: ask again soon.
var errNotYet = &scheduler.Refusal{}

// mayLaunch checks the operator role, at launch only (DESIGN.md 20).
func (c *Controller) mayLaunch(ctx context.Context, p lamina.CapacityProvider, v lamina.Version) *scheduler.Refusal {
	if p.Hidden {
		return nil
	}
	err := c.cfg.Roles.MayLaunch(ctx, p.OperatorRoleARN)
	if err == nil {
		return nil
	}
	if c.cfg.Clock().Sub(v.LastModified) < roleGrace {
		c.due(c.cfg.Clock().Add(retryRound))
		return errNotYet
	}
	c.cfg.Log.Warn("operator role may not launch instances", "provider", p.Name, "role", p.OperatorRoleARN, "error", err)
	return &scheduler.Refusal{Code: lamina.ReasonRolePermissions, Text: lamina.TextBadRole}
}

func (c *Controller) request(r *round, g *group, v lamina.Version, o *outcome) scheduler.Request {
	q := scheduler.Request{
		Count: o.start,
		Need:  scheduler.Need{MilliVCPU: o.config.MilliVCPU(), MemoryMiB: int64(o.config.MemoryMB)},
	}
	for _, id := range g.instances {
		if m := r.members[id]; !m.Ending && id != g.retiring {
			q.Hosts = append(q.Hosts, host(m, r.assigned(id), v, o.aged))
		}
	}
	if g.provider.Hidden {
		q.Offers = []scheduler.Offer{{Type: hiddenType, VCPUs: hiddenVCPUs, MemoryMiB: hiddenMemoryMiB}}
		q.Subnets = []scheduler.Subnet{{Zone: g.provider.Region + "a", Free: hiddenMaxVCPU}}
	} else {
		q.Offers = c.cfg.Offers(g.provider)
		q.Subnets = c.subnets(g.provider)
	}
	used, _ := c.cfg.Allocations.Get(g.provider.Key())
	q.VCPULeft = g.provider.MaxVCPU() - used.Value.VCPUs
	return q
}

// host is an instance as the scheduler sees it. An aged environment still takes
// room but counts no more, so that the one in its place keeps the spread. Of one
// that has failed only the extensions still run: its room is free, or the one in
// its place would need an instance more.
func host(m fleet.Member, specs []wire.EnvironmentSpec, v lamina.Version, aged map[string]bool) scheduler.Host {
	h := scheduler.Host{
		ID: m.ID, Zone: m.Zone,
		FreeMilliVCPU: int64(m.VCPUs)*1000 - lamina.ReserveMilliVCPU,
		FreeMiB:       m.MemoryMiB - lamina.ReserveMiB,
	}
	key := v.Key()
	for i := range specs {
		s := &specs[i]
		if m.Environments[s.ID].Failing() {
			continue
		}
		h.FreeMilliVCPU -= s.MilliVCPU
		h.FreeMiB -= int64(s.MemoryMB)
		if s.VersionKey == key && s.Incarnation == v.Incarnation && !s.Draining && !aged[s.ID] {
			h.Version++
		}
	}
	return h
}

func (c *Controller) subnets(p lamina.CapacityProvider) []scheduler.Subnet {
	var out []scheduler.Subnet
	for _, id := range p.SubnetIDs {
		row, ok := c.cfg.Subnets.Get(lamina.Key(p.Account, p.Region, id))
		if !ok {
			continue
		}
		used := len(c.cfg.Interfaces.List(row.Key + "/"))
		out = append(out, scheduler.Subnet{ID: id, Zone: row.Value.Zone, Free: c.cfg.FreeAddresses(row.Value, used)})
	}
	return out
}

// launch starts an instance and gives it its environments.
func (c *Controller) launch(ctx context.Context, r *round, g *group, v lamina.Version, o *outcome, l scheduler.Launch) (*scheduler.Refusal, error) {
	inst := lamina.Instance{
		Scope: g.provider.Scope, ID: c.cfg.NewInstanceID(), Provider: g.provider.Name,
		Type: l.Type, VCPUs: l.VCPUs, MemoryMiB: l.MemoryMiB, Architecture: g.provider.Architecture(),
		Zone: l.Zone, SubnetID: l.SubnetID, Hidden: g.provider.Hidden,
	}
	err := c.cfg.Fleet.Launch(ctx, g.provider, inst)
	if e, ok := errors.AsType[*lamina.Error](err); ok {
		return &scheduler.Refusal{Code: e.Code, Text: e.Message}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("launch %s in %s: %w", l.Type, l.Zone, err)
	}
	r.members[inst.ID] = fleet.Member{Instance: inst}
	g.instances = append(g.instances, inst.ID)
	return nil, c.place(r, v, o, inst.ID, l.Count)
}

func (c *Controller) place(r *round, v lamina.Version, o *outcome, instance string, n int) error {
	for range n {
		spec, err := c.spec(v, o)
		if err != nil {
			return err
		}
		r.add(instance, spec)
	}
	return nil
}

// spec is a new environment of a version's generation.
func (c *Controller) spec(v lamina.Version, o *outcome) (wire.EnvironmentSpec, error) {
	cfg, id := o.config, newEnvironmentID()
	keys, err := c.cfg.Credentials.ForEnvironment(v.Scope, cfg.RoleARN, id)
	if err != nil {
		return wire.EnvironmentSpec{}, fmt.Errorf("credentials of environment %s: %w", id, err)
	}
	var layers []string
	for _, l := range cfg.Layers {
		layers = append(layers, l.SHA256)
	}
	return wire.EnvironmentSpec{
		Image: imageSpec(cfg),
		ID:    id, VersionKey: v.Key(), Incarnation: v.Incarnation, Generation: o.which,
		FunctionARN: v.ARN(), Function: v.Function, Qualifier: v.Qualifier, AccountID: v.Account, Region: v.Region,
		Runtime: cfg.Runtime, Handler: cfg.Handler, CodeSHA256: cfg.CodeSHA256, Layers: layers, Architecture: cfg.Architecture,
		MemoryMB: cfg.MemoryMB, MilliVCPU: cfg.MilliVCPU(), TmpMB: cfg.TmpMB,
		Timeout: time.Duration(cfg.TimeoutSec) * time.Second, InitTimeout: cfg.InitTimeout(),
		Slots: cfg.Slots(), Managed: cfg.Managed(), Variables: cfg.Environment, Credentials: keys,
		LogGroup: cfg.Logging.Group, LogStream: c.cfg.Clock().UTC().Format("2006/01/02") + "/[" + v.Qualifier + "]" + id,
		LogFormat: cfg.Logging.Format, AppLogLevel: cfg.Logging.ApplicationLevel, SysLogLevel: cfg.Logging.SystemLevel,
	}, nil
}

// imageSpec is how an image function's environment starts; nil for packages.
func imageSpec(cfg lamina.FunctionConfig) *wire.Image {
	if cfg.Image == nil {
		return nil
	}
	argv, dir := cfg.ImageCommand()
	return &wire.Image{Layers: cfg.Image.Layers, Architecture: cfg.Image.Architecture, Argv: argv, Env: cfg.Image.Env, WorkDir: dir}
}

func newEnvironmentID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
