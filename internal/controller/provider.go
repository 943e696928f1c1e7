package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/scaler"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// provider is one provider's turn: its versions, then what no version wants.
func (c *Controller) provider(ctx context.Context, r *round, g *group) error {
	var errs []error
	for _, v := range g.versions {
		if err := c.version(ctx, r, g, v); err != nil {
			errs = append(errs, fmt.Errorf("version %s: %w", v.ARN(), err))
		}
	}
	c.orphans(r, g)
	c.strikeOff(r, g)
	c.endEmpty(r, g)
	c.send(r)
	return errors.Join(append(errs, c.providerStatus(ctx, g))...)
}

// send tells instances what changed for them.
func (c *Controller) send(r *round) {
	for instance := range r.unsent {
		c.cfg.Fleet.Assign(instance, r.next[instance])
	}
	clear(r.unsent)
}

func (c *Controller) version(ctx context.Context, r *round, g *group, v lamina.Version) error {
	if v.Config.Capacity == nil {
		return c.onDemand(ctx, r, g, v)
	}
	return c.managed(ctx, r, g, v)
}

func (c *Controller) managed(ctx context.Context, r *round, g *group, v lamina.Version) error {
	key := v.Key()
	s := situation{version: v, envs: c.collect(r, key), deleting: c.deleting(v), now: c.cfg.Clock(), age: c.cfg.EnvironmentAge}
	status, known := c.cfg.Lambda.VersionStatus.Get(key)
	s.status, s.known = status.Value, known
	if row, ok := c.cfg.Lambda.Scaling.Get(key); ok {
		s.bounds = &row.Value
	}
	if f := c.failures[key]; f != nil && f.code != "" {
		s.failed = f
	}
	c.scale(r, g, &s)
	o, err := c.act(ctx, r, g, &s) // of starting; routes and drains do not wait for it
	c.picture(g, &s, &o)
	c.route(key, o.status.Serving, s.envs, o.drain)
	for _, e := range s.envs {
		if o.drain[e.spec.ID] {
			r.drain(e)
		}
	}
	if err != nil {
		return err
	}
	if o.remove {
		return c.removeVersion(ctx, v)
	}
	if s.deleting || (known && reflect.DeepEqual(o.status, status.Value)) {
		return nil
	}
	if o.status.Serving != status.Value.Serving {
		delete(c.failures, key)
	}
	if o.status.State == lamina.StateFailed {
		c.cfg.Log.Warn("version failed", "version", v.ARN(), "code", o.status.ReasonCode, "reason", o.status.Reason)
	}
	return c.commitFor(ctx, v, "record status of "+v.ARN(), c.cfg.Lambda.VersionStatus.Put(key, o.status))
}

// act decides and starts what shall run. The generation that serves comes first;
// where there is no room for it, the newer one has its try, or it would stay on its
// way for as long.
func (c *Controller) act(ctx context.Context, r *round, g *group, s *situation) (outcome, error) {
	v := s.version
	try := func() (outcome, error) {
		o := decide(*s)
		if !o.due.IsZero() {
			c.due(o.due)
		}
		if o.start == 0 || !c.rested(v.Key()) {
			return o, nil
		}
		err := c.start(ctx, r, c.home(r, g, v, &o), v, &o)
		return o, err
	}
	o, err := try()
	if o.full && o.which != v.Generation && o.status.UpdateStatus == lamina.UpdateInProgress {
		s.full = true
		return try()
	}
	return o, err
}

// home is the group of the provider that the configuration to start names: while
// a version moves to another provider, its old generation is kept on the former one.
func (c *Controller) home(r *round, g *group, v lamina.Version, o *outcome) *group {
	p := c.providerOf(v.Scope, o.config)
	if p.Key() == g.provider.Key() {
		return g
	}
	if other := r.group(p.Key()); other != nil {
		return other
	}
	return &group{provider: p}
}

// collect takes ended environments off the list and remembers why they ended: not
// because of what was asked of them, nor because of their instance's end.
func (c *Controller) collect(r *round, key string) []environment {
	var live []environment
	for _, e := range r.envs[key] {
		if !e.ended() {
			live = append(live, e)
			continue
		}
		r.remove(e)
		if !e.spec.Draining && !e.taken() {
			c.remember(key, e)
		}
	}
	return live
}

// steadyAfter is how long an environment must have served for its end not to
// count as one of a series.
const steadyAfter = 10 * time.Second

func (c *Controller) remember(key string, e environment) {
	now := c.cfg.Clock()
	f := &failure{generation: e.spec.Generation, at: now, text: e.status.Reason, errorType: e.status.ErrorType, told: e.status.Told}
	if e.status.ReadyAt.IsZero() {
		f.code = e.status.ReasonCode
		if f.code == "" {
			f.code = lamina.ReasonRuntimeInit
		}
	}
	if before := c.failures[key]; before != nil && before.generation == f.generation {
		f.count = before.count
	}
	if e.status.ReadyAt.IsZero() || now.Sub(e.status.ReadyAt) < steadyAfter {
		f.count++
	} else {
		f.count = 0
	}
	c.cfg.Log.Info("environment ended", "version", key, "environment", e.spec.ID, "code", e.status.ReasonCode, "reason", e.status.Reason)
	c.failures[key] = f
}

// rested says whether the pause after failing environments is over: none after
// the first, then doubling.
func (c *Controller) rested(key string) bool {
	f := c.failures[key]
	if f == nil || f.count < 2 {
		return true
	}
	until := f.rest()
	if c.cfg.Clock().Before(until) {
		c.due(until)
		return false
	}
	return true
}

// rest is when the pause after a failing environment ends.
func (f *failure) rest() time.Time {
	if f.count < 2 {
		return f.at
	}
	return f.at.Add(min(maxBackoff, 100*time.Millisecond<<min(f.count, 16)))
}

// route installs the ready environments of the serving generation.
func (c *Controller) route(key string, serving int64, envs []environment, drain map[string]bool) {
	var endpoints []lamina.Endpoint
	var print strings.Builder
	for _, e := range envs {
		if e.spec.Generation != serving || !e.ready() || drain[e.spec.ID] {
			continue
		}
		endpoints = append(endpoints, lamina.Endpoint{EnvironmentID: e.spec.ID, Addr: e.addr, Slots: e.spec.Slots})
		fmt.Fprintln(&print, e.spec.ID, e.addr, e.spec.Slots)
	}
	if before, ok := c.routed[key]; !ok || before != print.String() {
		c.cfg.Routes.Install(key, endpoints)
		c.routed[key] = print.String()
	}
}

// onDemand serves one version of an ordinary function from the hidden fleet.
func (c *Controller) onDemand(ctx context.Context, r *round, g *group, v lamina.Version) error {
	key, now := v.Key(), c.cfg.Clock()
	failedBefore := c.failures[key]
	envs := c.collect(r, key)
	drain := map[string]bool{}
	load := c.cfg.Routes.Load(key)
	var current []scaler.OnDemandEnvironment
	for _, e := range envs {
		switch l := load.Environments[e.spec.ID]; {
		case e.spec.Generation != v.Generation || c.deleting(v):
			drain[e.spec.ID] = true
		case !e.spec.Draining:
			current = append(current, scaler.OnDemandEnvironment{ID: e.spec.ID, Busy: l.InFlight > 0, IdleSince: l.IdleSince, Starting: !e.ready()})
		}
	}
	start, idle := scaler.OnDemand(load.Waiting, current, now)
	for _, id := range idle {
		drain[id] = true
	}
	if len(current) > 0 {
		c.due(now.Add(scaler.KeepWarm / 4))
	}
	// The end of one that had served, by a timeout say, is no reason not to start another.
	if f := c.failures[key]; f != failedBefore && f.code != "" && !f.told && load.Waiting > 0 && f.generation == v.Generation {
		c.cfg.Routes.Fail(key, errorTypeOf(f), f.text)
		start = 0
		c.due(now.Add(20 * time.Millisecond))
	}
	o := outcome{start: start, which: v.Generation, config: v.Config}
	var err error // of starting; routes and drains do not wait for it
	if start > 0 && !c.deleting(v) {
		err = c.start(ctx, r, g, v, &o)
	}
	c.route(key, v.Generation, envs, drain)
	for _, e := range envs {
		if drain[e.spec.ID] {
			r.drain(e)
		}
	}
	if err != nil {
		return err
	}
	if c.deleting(v) && len(envs) == 0 {
		return c.removeVersion(ctx, v)
	}
	return nil
}

// errorTypeOf is what the caller of an ordinary function sees.
func errorTypeOf(f *failure) string {
	if f.errorType != "" {
		return f.errorType
	}
	return "Runtime.InitError"
}

// deleting says whether a version shall go, by itself or with its function.
func (c *Controller) deleting(v lamina.Version) bool {
	fn, ok := c.cfg.Lambda.Functions.Get(functionKey(v))
	return v.Deleting || !ok || fn.Value.Deleting
}

// orphans drains environments whose version is gone, even when one of the same
// name exists again.
func (c *Controller) orphans(r *round, g *group) {
	for _, id := range g.instances {
		for _, e := range environmentsOf(r.members[id]) {
			switch {
			case r.serves(e.spec) || r.members[id].Ending:
			case e.ended():
				r.remove(e)
			default:
				if _, exists := r.known[e.spec.VersionKey]; !exists {
					c.forget(e.spec.VersionKey)
				}
				r.drain(e)
			}
		}
	}
}

// forget drops what is remembered of a version.
func (c *Controller) forget(key string) {
	if _, ok := c.routed[key]; ok {
		c.cfg.Routes.Remove(key)
	}
	delete(c.routed, key)
	delete(c.failures, key)
	delete(c.scaling, key)
}

// endEmpty ends instances that have held nothing for a while.
func (c *Controller) endEmpty(r *round, g *group) {
	grace := emptyGrace
	switch {
	case g.undecided:
		return
	case g.provider.Deleting:
		grace = 0
	case g.provider.Hidden:
		grace = hiddenEmptyGrace
	}
	now := c.cfg.Clock()
	maps.DeleteFunc(c.emptyFrom, func(id string, _ time.Time) bool { _, here := r.members[id]; return !here })
	for _, id := range g.instances {
		if r.members[id].Ending || len(r.assigned(id)) > 0 {
			delete(c.emptyFrom, id)
			continue
		}
		if _, ok := c.emptyFrom[id]; !ok {
			c.emptyFrom[id] = now
		}
		if until := c.emptyFrom[id].Add(grace); now.Before(until) {
			c.due(until)
			continue
		}
		delete(c.emptyFrom, id)
		c.cfg.Fleet.End(id, "it held no execution environment", time.Second)
	}
}

func (c *Controller) commit(ctx context.Context, what string, ops ...store.Op) error {
	if _, err := c.cfg.View.Update(ctx, func(tx *view.Tx) error { return tx.Do(ops...) }); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// commitFor commits what follows from a version, unless it is gone or another
// one of its name has taken its place: a commit given up as too slow may still
// happen, so what was decided can be old.
func (c *Controller) commitFor(ctx context.Context, v lamina.Version, what string, ops ...store.Op) error {
	_, err := c.cfg.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := c.cfg.Lambda.Versions.At(tx).Get(v.Key())
		if !ok || row.Value.Incarnation != v.Incarnation {
			return nil
		}
		tx.Guard(c.cfg.Lambda.Versions.AtRevision(row))
		return tx.Do(ops...)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
