// Command testhandler is a real aws-lambda-go function for tests: it waits as
// long as the event says and returns what it was given.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Token   string `json:"token"`
	SleepMs int    `json:"sleepMs"`
	Meet    int32  `json:"meet"` // how many such events to wait for
	Fail    string `json:"fail"`
	Exit    int    `json:"exit"`
}

type reply struct {
	Token     string `json:"token"`
	RequestID string `json:"requestId"`
	ARN       string `json:"arn"`
	LeftMs    int64  `json:"leftMs"`
	PID       int    `json:"pid"`
}

var here atomic.Int32

func handle(ctx context.Context, e event) (reply, error) {
	if e.Exit != 0 {
		os.Exit(e.Exit)
	}
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline).Milliseconds()
	time.Sleep(time.Duration(e.SleepMs) * time.Millisecond)
	for here.Add(min(e.Meet, 1)); here.Load() < e.Meet; {
		time.Sleep(time.Millisecond)
	}
	if e.Fail != "" {
		return reply{}, errors.New(e.Fail)
	}
	lc, _ := lambdacontext.FromContext(ctx)
	return reply{Token: e.Token, RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn, LeftMs: left, PID: os.Getpid()}, nil
}

func main() {
	if os.Getenv("SIGTERM") == "" {
		lambda.Start(handle)
		return
	}
	lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() { fmt.Println("told to end") }))
}
