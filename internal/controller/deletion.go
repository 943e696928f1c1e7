package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// removeVersion takes the rows of a version that has no environments left.
func (c *Controller) removeVersion(ctx context.Context, v lamina.Version) error {
	key := v.Key()
	c.forget(key)
	return c.commitFor(ctx, v, "remove "+v.ARN(),
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
			errs = append(errs, c.removeProvider(ctx, g.provider))
		}
	}
	return errors.Join(errs...)
}

// removeProvider takes a provider's rows while no instance record counts against it.
func (c *Controller) removeProvider(ctx context.Context, p lamina.CapacityProvider) error {
	key := p.Key()
	_, err := c.cfg.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := c.cfg.Lambda.Providers.At(tx).Get(key)
		if !ok || !row.Value.Deleting {
			return nil
		}
		tx.Guard(c.cfg.Lambda.Providers.AtRevision(row))
		switch used, ok := c.cfg.Allocations.At(tx).Get(key); {
		case !ok:
			tx.Guard(c.cfg.Allocations.Absent(key))
		case used.Value.VCPUs > 0:
			return nil // the fleet takes over a record nobody follows, and then it ends
		default:
			tx.Guard(c.cfg.Allocations.AtRevision(used))
		}
		return tx.Do(c.cfg.Lambda.Providers.Delete(key), c.cfg.Lambda.ProviderStatus.Delete(key), c.cfg.Allocations.Delete(key))
	})
	if err != nil {
		return fmt.Errorf("remove capacity provider %s: %w", p.Name, err)
	}
	return nil
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
	_, err := c.cfg.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := c.cfg.Lambda.Functions.At(tx).Get(key)
		if !ok || !row.Value.Deleting {
			return nil
		}
		tx.Guard(c.cfg.Lambda.Functions.AtRevision(row))
		return tx.Do(append(ops, c.cfg.Lambda.Functions.Delete(key))...)
	})
	if err != nil {
		return fmt.Errorf("remove function %s: %w", key, err)
	}
	return nil
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
