package controller

import (
	"cmp"
	"slices"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/wire"
)

// round is one consistent picture. Assignments are changed in it and sent at
// the end of a provider's turn.
type round struct {
	at      time.Time // when it was taken
	members map[string]fleet.Member
	groups  []*group
	envs    map[string][]environment // by version key
	known   map[string]string        // incarnations of the versions that exist, by version key
	next    map[string][]wire.EnvironmentSpec
	unsent  map[string]bool // instances whose next has changed since it was sent
}

// group finds a provider's group; nil: it has nothing.
func (r *round) group(providerKey string) *group {
	for _, g := range r.groups {
		if g.provider.Key() == providerKey {
			return g
		}
	}
	return nil
}

// serves says whether an environment is of a version that exists, not of a
// deleted one of the same name.
func (r *round) serves(spec wire.EnvironmentSpec) bool {
	incarnation, ok := r.known[spec.VersionKey]
	return ok && incarnation == spec.Incarnation
}

// group is a provider with its versions and instances.
type group struct {
	provider  lamina.CapacityProvider
	versions  []lamina.Version
	instances []string // ids
	undecided bool
	retiring  string // the instance that is being replaced for its age; "": none
}

func (c *Controller) load() *round {
	r := &round{
		at:      c.cfg.Clock(),
		members: c.cfg.Fleet.Members(), envs: map[string][]environment{}, known: map[string]string{},
		next: map[string][]wire.EnvironmentSpec{}, unsent: map[string]bool{},
	}
	groups := map[string]*group{}
	at := func(p lamina.CapacityProvider) *group {
		g := groups[p.Key()]
		if g == nil {
			g = &group{provider: p}
			groups[p.Key()] = g
		}
		return g
	}
	for row := range c.cfg.Lambda.Providers.All() {
		at(row.Value)
	}
	for row := range c.cfg.Lambda.Versions.All() {
		v := row.Value
		g := at(c.providerOf(v.Scope, v.Config))
		g.versions = append(g.versions, v)
		r.known[row.Key] = v.Incarnation
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
		if c.aged(m) && (g.retiring == "" || m.LaunchedAt.Before(r.members[g.retiring].LaunchedAt)) {
			g.retiring = id
		}
		for _, e := range environmentsOf(m) {
			if r.serves(e.spec) {
				r.envs[e.spec.VersionKey] = append(r.envs[e.spec.VersionKey], e)
			}
		}
	}
	for _, g := range groups {
		r.retire(g.retiring)
		slices.Sort(g.instances)
		r.groups = append(r.groups, g)
	}
	slices.SortFunc(r.groups, func(a, b *group) int { return cmp.Compare(a.provider.Key(), b.provider.Key()) })
	return r
}

// aged says whether an instance has reached the age at which it is replaced. The
// hidden fleet's go when they are empty.
func (c *Controller) aged(m fleet.Member) bool {
	return c.cfg.InstanceAge > 0 && m.Joined && !m.Hidden && c.cfg.Clock().Sub(m.LaunchedAt) >= c.cfg.InstanceAge
}

// retire marks the environments of the one instance of a provider that is being
// replaced. The oldest goes first, and the next when it is gone, so that a fleet
// of one age is not doubled.
func (r *round) retire(instance string) {
	if instance == "" {
		return
	}
	for _, spec := range r.members[instance].Assigned {
		envs := r.envs[spec.VersionKey]
		for i := range envs {
			envs[i].retiring = envs[i].retiring || envs[i].instance == instance
		}
	}
}

// reload takes the picture anew in the middle of a round; the group is nil when
// its provider is gone.
func (c *Controller) reload(g *group) (*round, *group) {
	r := c.load()
	return r, r.group(g.provider.Key())
}

// environmentsOf joins what an instance should run with what it says.
func environmentsOf(m fleet.Member) []environment {
	envs := make([]environment, 0, len(m.Assigned))
	for _, spec := range m.Assigned {
		envs = append(envs, environment{
			spec: spec, status: m.Environments[spec.ID], instance: m.ID, addr: m.InvokeAddr,
			zone: m.Zone, shared: len(m.Assigned), silent: m.Silent,
		})
	}
	return envs
}

// providerOf is the provider whose instances run a configuration: the one it
// names, or the account's hidden fleet.
func (c *Controller) providerOf(scope lamina.Scope, config lamina.FunctionConfig) lamina.CapacityProvider {
	if config.Capacity == nil {
		return lamina.CapacityProvider{
			Scope: scope, Name: lamina.HiddenProviderName, Hidden: true,
			Scaling:      &lamina.ProviderScaling{MaxVCPU: hiddenMaxVCPU},
			Requirements: &lamina.Requirements{Architectures: []string{config.Architecture}},
		}
	}
	name := lamina.CapacityProviderName(config.Capacity.ProviderARN)
	if row, ok := c.cfg.Lambda.Providers.Get(lamina.Key(scope.Account, scope.Region, name)); ok {
		return row.Value
	}
	return lamina.CapacityProvider{Scope: scope, Name: name, Deleting: true}
}

// assigned is the list an instance should run, to look at: a large fleet's are not
// copied for that.
func (r *round) assigned(instance string) []wire.EnvironmentSpec {
	if specs, ok := r.next[instance]; ok {
		return specs
	}
	return r.members[instance].Assigned
}

// assignment is the same, ready to be changed.
func (r *round) assignment(instance string) []wire.EnvironmentSpec {
	if specs, ok := r.next[instance]; ok {
		return specs
	}
	return slices.Clone(r.members[instance].Assigned)
}

func (r *round) assign(instance string, specs []wire.EnvironmentSpec) {
	r.next[instance], r.unsent[instance] = specs, true
}

func (r *round) add(instance string, spec wire.EnvironmentSpec) {
	r.assign(instance, append(r.assignment(instance), spec))
}

func (r *round) drain(e environment) {
	if e.spec.Draining {
		return
	}
	specs := r.assignment(e.instance)
	for i := range specs {
		if specs[i].ID == e.spec.ID {
			specs[i].Draining = true
		}
	}
	r.assign(e.instance, specs)
}

func (r *round) remove(e environment) {
	r.assign(e.instance, slices.DeleteFunc(r.assignment(e.instance), func(s wire.EnvironmentSpec) bool { return s.ID == e.spec.ID }))
}

// functionKey is the key of a version's function.
func functionKey(v lamina.Version) string { return lamina.Key(v.Account, v.Region, v.Function) }
