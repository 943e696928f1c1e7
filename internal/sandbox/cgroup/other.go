//go:build !linux

package cgroup

import (
	"os"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Host has no control groups outside Linux.
type Host struct{}

// Find finds none.
func Find() Host { return Host{} }

// Has tells that there is no controller.
func (Host) Has(string) bool { return false }

// Create makes nothing.
func (Host) Create(string, sandbox.Limits) (*Group, error) { return nil, nil }

// Group is always nil.
type Group struct{}

// Attach does nothing.
func (*Group) Attach(int) error { return nil }

// Kill does nothing.
func (*Group) Kill() {}

// Remove does nothing.
func (*Group) Remove() {}

// OOMKills counts none.
func (*Group) OOMKills() int64 { return 0 }

// Usage is unknown.
func (*Group) Usage() (sandbox.Usage, error) { return sandbox.Usage{}, os.ErrInvalid }
