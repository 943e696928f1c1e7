// Weighs the parts of a shipment in parallel.
package main

import (
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
)

var density = map[string]float64{"steel": 7.85, "oak": 0.72, "glass": 2.5, "cork": 0.24}

type event struct {
	Shipment string
	Parts    []struct {
		Material string
		Litres   float64
	}
}

func handler(e event) (map[string]any, error) {
	weights := make([]float64, len(e.Parts))
	var wg sync.WaitGroup
	for i, part := range e.Parts {
		// Right: each goroutine writes a place of its own, and the answer waits for all.
		wg.Go(func() { weights[i] = part.Litres * density[part.Material] })
	}
	wg.Wait()
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	return map[string]any{"shipment": e.Shipment, "grams": int(sum * 1000)}, nil
}

func main() { lambda.Start(handler) }
