package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store"
)

// removeVersion takes the rows of a version that has no environments left.
func (c *Controller) removeVersion(ctx context.Context, v lamina.Version) error {
	key := v.Key()
	c.forget(key)
	return c.commit(ctx, "remove "+v.ARN(),
		c.cfg.Lambda.Versions.Delete(key), c.cfg.Lambda.VersionStatus.Delete(key), c.cfg.Lambda.Scaling.Delete(key))
}

// deletions removes functions whose versions are gone and providers whose
// instances are.
func (c *Controller) deletions(ctx context.Context, r *round) error {
	var errs []error
	for row := range c.cfg.Lambda.Functions.All() {
		if row.Value.Deleting && len(c.cfg.Lambda.Versions.List(row.Key+"/")) == 0 {
			errs = append(errs, c.removeFunction(ctx, row.Key))
		}
	}
	for _, g := range r.groups {
		if _, stored := c.cfg.Lambda.Providers.Get(g.provider.Key()); stored && g.provider.Deleting && len(g.versions) == 0 && len(g.instances) == 0 {
			key := g.provider.Key()
			errs = append(errs, c.commit(ctx, "remove capacity provider "+g.provider.Name,
				c.cfg.Lambda.Providers.Delete(key), c.cfg.Lambda.ProviderStatus.Delete(key), c.cfg.Allocations.Delete(key)))
		}
	}
	return errors.Join(errs...)
}

// maxRemoved keeps a batch below the store's limit of 100 operations.
const maxRemoved = 90

func (c *Controller) removeFunction(ctx context.Context, key string) error {
	var ops []store.Op
	for _, row := range c.cfg.Lambda.Aliases.List(key + "/") {
		ops = append(ops, c.cfg.Lambda.Aliases.Delete(row.Key))
	}
	for len(ops) > maxRemoved {
		if err := c.commit(ctx, fmt.Sprintf("remove aliases of %s", key), ops[:maxRemoved]...); err != nil {
			return err
		}
		ops = ops[maxRemoved:]
	}
	return c.commit(ctx, "remove function "+key, append(ops, c.cfg.Lambda.Functions.Delete(key))...)
}

// providerStatus tells clients what became of a provider.
func (c *Controller) providerStatus(ctx context.Context, g *group) error {
	key := g.provider.Key()
	if _, ok := c.cfg.Lambda.Providers.Get(key); !ok {
		return nil
	}
	want := lamina.CapacityProviderStatus{State: lamina.StateActive}
	if g.provider.Deleting {
		want.State = lamina.StateDeleting
	}
	if have, ok := c.cfg.Lambda.ProviderStatus.Get(key); ok && have.Value == want {
		return nil
	}
	return c.commit(ctx, "record status of "+g.provider.Name, c.cfg.Lambda.ProviderStatus.Put(key, want))
}
