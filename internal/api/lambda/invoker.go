package lambda

import (
	"context"

	"github.com/lamina-dev/lamina"
)

// Invoker runs one invocation on an environment of a version. When no slot is
// free the error is a *lamina.Error with CodeTooManyRequests.
type Invoker interface {
	Invoke(ctx context.Context, i lamina.Invocation) (lamina.Answer, error)
}
