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
	// Wrong: nobody takes the second result, so its goroutine waits for ever and keeps the page.
	first := make(chan []byte)
	go func() { first <- source(e.Page, time.Millisecond) }()
	go func() { first <- source(e.Page, 3*time.Millisecond) }()
	return map[string]any{"page": e.Page, "bytes": len(<-first)}, nil
}

func main() { lambda.Start(handler) }
