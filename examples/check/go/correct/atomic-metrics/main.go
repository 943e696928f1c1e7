// Resizes pictures by the numbers, and counts for the environment's own metrics.
package main

import (
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

var handled, inFlight atomic.Int64

type event struct {
	Picture            string
	Width, Height, Max int
}

func handler(e event) (map[string]any, error) {
	// Right: atomic, and no answer depends on it.
	inFlight.Add(1)
	defer inFlight.Add(-1)
	defer handled.Add(1)
	time.Sleep(5 * time.Millisecond)
	longer := max(e.Width, e.Height, e.Max)
	return map[string]any{"picture": e.Picture, "width": e.Width * e.Max / longer, "height": e.Height * e.Max / longer}, nil
}

func main() { lambda.Start(handler) }
