package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/lamina-dev/lamina/internal/wire"
)

// Terminate implements driver.Driver.
func (d *Driver) Terminate(ctx context.Context, id, text string) error {
	h, err := d.resolve(id, text)
	if err != nil {
		return err
	}
	d.mu.Lock()
	in := d.watched[id]
	d.mu.Unlock()
	var reap func()
	if in != nil {
		h, reap = in.handle, in.reap
	}
	h.kill()
	if err := h.wait(ctx); err != nil {
		return fmt.Errorf("terminate %s: %w", id, err)
	}
	if err := d.bury(id, h, reap); err != nil {
		return fmt.Errorf("terminate %s: %w", id, err)
	}
	return nil
}

// bury removes what is left of an instance whose agent is dead. Both its watcher
// and Terminate may do it at the same time.
func (d *Driver) bury(id string, h handle, reap func()) error {
	if reap != nil {
		reap()
	}
	h.killSession()
	return d.remove(id)
}

func (d *Driver) remove(id string) error {
	return errors.Join(
		removeGroup(path.Join(cgroupParent, id)),
		os.RemoveAll(wire.FallbackSocket(id)),
		os.RemoveAll(d.dir(id)),
	)
}
