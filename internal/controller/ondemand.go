package controller

import (
	"context"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/scaler"
)

// onDemand serves one version of an ordinary function from the hidden fleet.
func (c *Controller) onDemand(ctx context.Context, r *round, g *group, v lamina.Version) error {
	key, now := v.Key(), c.cfg.Clock()
	failedBefore := c.failures[key]
	envs := c.collect(r, key)
	drain := map[string]bool{}
	load := c.cfg.Routes.Load(key)
	var current []scaler.OnDemandEnvironment
	for _, e := range envs {
		switch l, listed := load.Environments[e.spec.ID]; {
		case e.spec.Generation != v.Generation || c.deleting(v):
			drain[e.spec.ID] = true
		case !e.spec.Draining:
			current = append(current, scaler.OnDemandEnvironment{
				ID: e.spec.ID, Busy: l.InFlight > 0, IdleSince: l.IdleSince, Starting: !e.ready() || !listed, Fresh: l.Fresh,
			})
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
