// Command diary is a function of the tests that writes down each event it is
// handed, so that one handed over twice is seen.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	N     int     `json:"n"`
	Sleep float64 `json:"sleep"`
	Slow  string  `json:"slow"` // the environment that sleeps ten times as long
}

type answer struct {
	N           int     `json:"n"`
	Environment string  `json:"environment"`
	Process     int     `json:"process"`
	Started     float64 `json:"started"`
	Ended       float64 `json:"ended"`
}

func handle(_ context.Context, e event) (answer, error) {
	a := answer{N: e.N, Environment: os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME"), Process: os.Getpid(), Started: now()}
	fmt.Printf("diary %d.\n", e.N)
	if e.Slow == a.Environment {
		e.Sleep *= 10
	}
	time.Sleep(time.Duration(e.Sleep * float64(time.Second)))
	a.Ended = now()
	return a, nil
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

func main() { lambda.Start(handle) }
