package controller

import (
	"cmp"
	"slices"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/wire"
)

// round is one consistent picture. Assignments are changed in it and sent at
// the end of a provider's turn.
type round struct {
	members map[string]fleet.Member
	groups  []*group
	envs    map[string][]environment // by version key
	known   map[string]bool          // version keys that exist
}

// group is a provider with its versions and instances.
type group struct {
	provider  lamina.CapacityProvider
	versions  []lamina.Version
	instances []string // ids
	undecided bool
	next      map[string][]wire.EnvironmentSpec // assignments that changed, by instance
}

func (c *Controller) load() *round {
	r := &round{members: c.cfg.Fleet.Members(), envs: map[string][]environment{}, known: map[string]bool{}}
	groups := map[string]*group{}
	at := func(p lamina.CapacityProvider) *group {
		g := groups[p.Key()]
		if g == nil {
			g = &group{provider: p, next: map[string][]wire.EnvironmentSpec{}}
			groups[p.Key()] = g
		}
		return g
	}
	for row := range c.cfg.Lambda.Providers.All() {
		at(row.Value)
	}
	for row := range c.cfg.Lambda.Versions.All() {
		v := row.Value
		g := at(c.providerOf(v))
		g.versions = append(g.versions, v)
		r.known[row.Key] = true
	}
	for id, m := range r.members {
		g := groups[m.ProviderKey()]
		if g == nil {
			g = at(lamina.CapacityProvider{Scope: m.Scope, Name: m.Provider, Hidden: m.Hidden})
		}
		g.instances = append(g.instances, id)
		g.undecided = g.undecided || m.Undecided
		if m.Ending {
			continue
		}
		for _, e := range environmentsOf(m) {
			r.envs[e.spec.VersionKey] = append(r.envs[e.spec.VersionKey], e)
		}
	}
	for _, g := range groups {
		slices.Sort(g.instances)
		r.groups = append(r.groups, g)
	}
	slices.SortFunc(r.groups, func(a, b *group) int { return cmp.Compare(a.provider.Key(), b.provider.Key()) })
	return r
}

// environmentsOf joins what an instance should run with what it says.
func environmentsOf(m fleet.Member) []environment {
	envs := make([]environment, 0, len(m.Assigned))
	for _, spec := range m.Assigned {
		envs = append(envs, environment{spec: spec, status: m.Environments[spec.ID], instance: m.ID, addr: m.InvokeAddr})
	}
	return envs
}

// providerOf is the provider whose instances run a version: the one it names,
// or the account's hidden fleet.
func (c *Controller) providerOf(v lamina.Version) lamina.CapacityProvider {
	if v.Config.Capacity == nil {
		return lamina.CapacityProvider{
			Scope: v.Scope, Name: lamina.HiddenProviderName, Hidden: true,
			Scaling:      &lamina.ProviderScaling{MaxVCPU: hiddenMaxVCPU},
			Requirements: &lamina.Requirements{Architectures: []string{v.Config.Architecture}},
		}
	}
	name := lamina.CapacityProviderName(v.Config.Capacity.ProviderARN)
	if row, ok := c.cfg.Lambda.Providers.Get(lamina.Key(v.Account, v.Region, name)); ok {
		return row.Value
	}
	return lamina.CapacityProvider{Scope: v.Scope, Name: name, Deleting: true}
}

// assignment is the list an instance should run, ready to be changed.
func (g *group) assignment(r *round, instance string) []wire.EnvironmentSpec {
	if specs, ok := g.next[instance]; ok {
		return specs
	}
	return slices.Clone(r.members[instance].Assigned)
}

func (g *group) add(r *round, instance string, spec wire.EnvironmentSpec) {
	g.next[instance] = append(g.assignment(r, instance), spec)
}

func (g *group) drain(r *round, e environment) {
	if e.spec.Draining {
		return
	}
	specs := g.assignment(r, e.instance)
	for i := range specs {
		if specs[i].ID == e.spec.ID {
			specs[i].Draining = true
		}
	}
	g.next[e.instance] = specs
}

func (g *group) remove(r *round, e environment) {
	g.next[e.instance] = slices.DeleteFunc(g.assignment(r, e.instance), func(s wire.EnvironmentSpec) bool { return s.ID == e.spec.ID })
}

// functionKey is the key of a version's function.
func functionKey(v lamina.Version) string { return lamina.Key(v.Account, v.Region, v.Function) }
