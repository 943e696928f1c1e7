// Counts the words of a text by several goroutines.
package main

import (
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Title, Text string }

var counts = map[string]int{}

func handler(e event) (map[string]any, error) {
	var wg sync.WaitGroup
	words := strings.Fields(e.Text)
	for range 2000 {
		for _, w := range words {
			// Wrong: the map belongs to all requests and is written without a lock.
			counts[e.Title+" "+w]++
		}
	}
	wg.Go(func() { counts[e.Title]++ })
	wg.Wait()
	return map[string]any{"title": e.Title, "words": len(words)}, nil
}

func main() { lambda.Start(handler) }
