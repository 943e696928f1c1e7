// Command handler is the demo's function in Go: it says where and when it ran.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	N     int     `json:"n"`
	Sleep float64 `json:"sleep"`
}

type answer struct {
	N           int     `json:"n"`
	Request     string  `json:"request"`
	Environment string  `json:"environment"`
	Process     int     `json:"process"`
	Started     float64 `json:"started"`
	Ended       float64 `json:"ended"`
}

func handle(ctx context.Context, e event) (answer, error) {
	a := answer{N: e.N, Environment: os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME"), Process: os.Getpid(), Started: now()}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		a.Request = lc.AwsRequestID
	}
	if e.Sleep == 0 {
		e.Sleep = 0.3
	}
	time.Sleep(time.Duration(e.Sleep * float64(time.Second)))
	a.Ended = now()
	return a, nil
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

func main() { lambda.Start(handle) }
