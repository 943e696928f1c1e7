// Package outage makes zones and instance types unavailable on purpose: a driver
// around another one that refuses their launches the way AWS does when it has no
// capacity. What is switched off is forgotten with the server.
package outage

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
)

// Driver is a driver with switches.
type Driver struct {
	driver.Driver

	mu  sync.Mutex
	off map[string]bool // zones and types
}

// New puts switches around a driver.
func New(d driver.Driver) *Driver { return &Driver{Driver: d, off: map[string]bool{}} }

// Launch implements driver.Driver. The text is EC2's own for InsufficientInstanceCapacity.
func (d *Driver) Launch(ctx context.Context, spec driver.Spec) (string, error) {
	if in := spec.Instance; d.has(in.Zone) || d.has(in.Type) {
		return "", lamina.Errorf(lamina.ReasonInsufficient,
			"We currently do not have sufficient %s capacity in the Availability Zone you requested (%s). Our system will be working on provisioning additional capacity.", in.Type, in.Zone)
	}
	return d.Driver.Launch(ctx, spec)
}

func (d *Driver) has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off[name]
}

// Switch makes a zone or an instance type unavailable, or available again.
func (d *Driver) Switch(name string, off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off {
		d.off[name] = true
	} else {
		delete(d.off, name)
	}
}

// Off lists what is unavailable.
func (d *Driver) Off() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.off))
}
