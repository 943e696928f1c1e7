// Command worker is a function of the tests that uses the CPU, then waits.
package main

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"golang.org/x/sys/unix"
)

type event struct {
	N     int     `json:"n"`
	CPU   float64 `json:"cpu"`   // seconds of its own
	Sleep float64 `json:"sleep"` // seconds
}

type answer struct {
	N           int    `json:"n"`
	Environment string `json:"environment"`
}

func handle(_ context.Context, e event) (answer, error) {
	a := answer{N: e.N, Environment: os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME")}
	if err := burn(seconds(e.CPU)); err != nil {
		return a, err
	}
	time.Sleep(seconds(e.Sleep))
	return a, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// burn uses so much CPU on one thread.
func burn(d time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begun, err := used()
	for now := begun; err == nil && now < begun+d; now, err = used() {
	}
	return err
}

// used is the CPU time of this thread.
func used() (time.Duration, error) {
	var at unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at)
	return time.Duration(at.Nano()), err
}

func main() { lambda.Start(handle) }
