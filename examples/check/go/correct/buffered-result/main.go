// Asks two sources for a page and takes the quicker one.
package main

import (
	"bytes"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Page string }

func source(page string, wait time.Duration) []byte {
	time.Sleep(wait)
	return bytes.Repeat([]byte(page), 60_000)
}

func handler(e event) (map[string]any, error) {
	// Right: there is room for both results, so the slower goroutine ends, too; and it is awaited.
	results := make(chan []byte, 2)
	go func() { results <- source(e.Page, time.Millisecond) }()
	go func() { results <- source(e.Page, 3*time.Millisecond) }()
	first := <-results
	<-results
	return map[string]any{"page": e.Page, "bytes": len(first)}, nil
}

func main() { lambda.Start(handler) }
