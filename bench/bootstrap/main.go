// Command bootstrap is the function that the benchmark invokes, for the
// provided.al2023 runtime: it answers with the event it got.
//
// With BENCH_CLIENT=official it runs on aws-lambda-go, else on the lean client.
// With BENCH_HANDLER=density it works and waits before that, as the event says.
package main

import (
	"context"
	"log"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lamina-dev/lamina/bench/lean"
)

// echo is the handler in the form with the least work around it.
type echo struct{}

// Invoke implements lambda.Handler.
func (echo) Invoke(_ context.Context, event []byte) ([]byte, error) { return event, nil }

func main() {
	log.SetFlags(0)
	if os.Getenv("BENCH_CLIENT") == "official" {
		lambda.Start(echo{})
		return
	}
	workers, err := strconv.Atoi(os.Getenv("AWS_LAMBDA_MAX_CONCURRENCY"))
	if err != nil {
		workers = 1
	}
	handler := func(event []byte) []byte { return event }
	if os.Getenv("BENCH_HANDLER") == "density" {
		handler = work
	}
	err = lean.Run(context.Background(), os.Getenv("AWS_LAMBDA_RUNTIME_API"), workers, handler)
	log.Fatal(err)
}
