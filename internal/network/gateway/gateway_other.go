//go:build !linux

package gateway

import (
	"context"
	"errors"

	"github.com/lamina-dev/lamina/internal/netns"
)

// Gateway does not exist here.
type Gateway struct{}

var errNone = errors.New("networks of their own are Linux's")

// New refuses.
func New(Config) (*Gateway, error) { return nil, errNone }

// Main does nothing where there are no networks.
func Main() {}

// Probe finds none.
func Probe(context.Context) error { return errNone }

// Open refuses.
func (g *Gateway) Open(context.Context, string) (*netns.Namespace, error) { return nil, errNone }

// Apply refuses.
func (g *Gateway) Apply(context.Context, State) error { return errNone }

// Run does nothing.
func (g *Gateway) Run(context.Context) error { return nil }

// Close does nothing.
func (g *Gateway) Close() {}
