package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/lamina-dev/lamina"
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
