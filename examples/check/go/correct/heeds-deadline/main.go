// Waits for a print job to end, but not beyond its time.
package main

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Job   string
	Pages int
}

func handler(ctx context.Context, e event) (map[string]any, error) {
	printed := 0
	page := time.NewTicker(20 * time.Millisecond)
	defer page.Stop()
	deadline, _ := ctx.Deadline()
	for printed < e.Pages && time.Until(deadline) > 500*time.Millisecond {
		<-page.C
		printed++
	}
	// Right: answers with what there is while there is time to.
	return map[string]any{"job": e.Job, "done": printed == e.Pages}, nil
}

func main() { lambda.Start(handler) }
