// Makes the preview of a page and keeps it, should it be asked for again.
package main

import (
	"bytes"
	"context"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct{ Page string }

var (
	mu       sync.Mutex
	previews = map[string][]byte{}
)

func handler(ctx context.Context, e event) (map[string]any, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	preview := bytes.Repeat([]byte(e.Page), 60_000)
	mu.Lock()
	defer mu.Unlock()
	// Wrong: a cache by request id is never hit again and never emptied.
	previews[lc.AwsRequestID] = preview
	return map[string]any{"page": e.Page, "bytes": len(preview)}, nil
}

func main() { lambda.Start(handler) }
