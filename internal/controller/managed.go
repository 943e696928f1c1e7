package controller

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/lamina-dev/lamina"
)

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
