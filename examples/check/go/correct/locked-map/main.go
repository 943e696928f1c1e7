// Counts the words of a text, and of all texts for the environment's own metrics.
package main

import (
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Title, Text string }

var (
	mu     sync.Mutex
	counts = map[string]int{}
)

func handler(e event) (map[string]any, error) {
	words := strings.Fields(e.Text)
	for _, w := range words {
		// Right: written under the lock, and no answer depends on it.
		mu.Lock()
		counts[w]++
		mu.Unlock()
	}
	return map[string]any{"title": e.Title, "words": len(words)}, nil
}

func main() { lambda.Start(handler) }
