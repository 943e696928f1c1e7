//go:build !linux

package netns

import (
	"context"
	"errors"
	"net"
)

var errNone = errors.New("network namespaces are Linux's")

type handle struct{}

func (handle) close() {}

// New refuses.
func New() (*Namespace, error) { return nil, errNone }

// Do refuses.
func (n *Namespace) Do(func() error) error { return errNone }

// Listen refuses.
func (n *Namespace) Listen(context.Context, string) (net.Listener, error) { return nil, errNone }
