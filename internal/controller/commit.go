package controller

import (
	"context"
	"fmt"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/view"
)

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
