package process

import (
	"context"
	"os/exec"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Run implements driver.Driver.
func (d *Driver) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for {
		d.mu.Lock()
		todo := d.starting
		d.starting = nil
		d.mu.Unlock()
		for _, in := range todo {
			g.Go(func() error { return d.follow(ctx, in) })
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			g.Wait()
			return nil
		}
	}
}

// watch hands in to Run; d.mu is held.
func (d *Driver) watch(in *instance) {
	d.watched[in.id] = in
	d.starting = append(d.starting, in)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// follow waits for an instance's end, clears up after it and tells.
func (d *Driver) follow(ctx context.Context, in *instance) error {
	if err := in.handle.wait(ctx); err != nil {
		d.mu.Lock() // Run ended: the next one goes on watching
		d.starting = append(d.starting, in)
		d.mu.Unlock()
		return nil
	}
	if err := d.bury(in.id, in.handle, in.reap); err != nil {
		d.log.Warn("remains of an instance stay behind", "instance", in.id, "err", err)
	}
	d.mu.Lock()
	delete(d.watched, in.id)
	d.mu.Unlock()
	select {
	case d.gone <- in.id:
	case <-ctx.Done():
	}
	return nil
}

// reaper takes a child's exit status once, whoever asks first.
func reaper(cmd *exec.Cmd) func() {
	return sync.OnceFunc(func() { _ = cmd.Wait() })
}
