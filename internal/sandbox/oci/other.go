//go:build !linux

package oci

import (
	"context"
	"fmt"
	"runtime"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Main does nothing where there are no containers.
func Main() {}

// New refuses: containers are Linux's.
func New(cfg Config) (sandbox.Sandbox, error) {
	return nil, fmt.Errorf("%s does not run on %s", cfg.Kind, runtime.GOOS)
}

// Probe finds nothing.
func Probe(_ context.Context, kind Kind, _ Network) Result {
	return Result{Reason: fmt.Sprintf("%s does not run on %s", kind, runtime.GOOS)}
}
