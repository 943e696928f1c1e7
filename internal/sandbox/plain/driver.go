package plain

import (
	"context"
	"net"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Driver is the plain sandbox.
type Driver struct{}

var _ sandbox.Sandbox = (*Driver)(nil)

// New probes, by trying, what this host permits.
func New(ctx context.Context) (*Driver, error) { panic("todo") }

// Listen implements sandbox.Sandbox; the network is the host's for now.
func (d *Driver) Listen(ctx context.Context, id string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", "127.0.0.1:0")
}

// Layout implements sandbox.Sandbox.
func (d *Driver) Layout(spec sandbox.Spec) sandbox.Layout { return sandbox.ServiceLayout }

// Start implements sandbox.Sandbox.
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Process, error) {
	panic("todo")
}

// Describe implements sandbox.Sandbox.
func (d *Driver) Describe() []sandbox.Guarantee { return nil }

func stage(args []string) int { panic("todo") }
