// Package owner is how many callers ask the one goroutine that owns some files,
// also while it ends.
package owner

import "context"

// Ask queues a request and waits for what the owner sends to its reply, which has
// room for one answer. done is closed when the owner has ended; who has no answer
// by then gets closed.
func Ask[R any](ctx context.Context, queue chan<- R, request R, reply <-chan error, done <-chan struct{}, closed error) error {
	select {
	case queue <- request:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return closed
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
	}
	select { // answered with its last breath
	case err := <-reply:
		return err
	default:
		return closed
	}
}
