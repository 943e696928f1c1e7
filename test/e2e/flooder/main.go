// Command flooder is a function of the tests that takes all it can get of one thing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Take string `json:"take"`
}

type answer struct {
	Got int64  `json:"got"` // of what was taken, before it was refused
	End string `json:"end"` // the refusal
}

// holdsProcesses is how long an environment without processes to spare stays (chosen).
const holdsProcesses = 200 * time.Millisecond

// sleeper is the argument of a child that only sleeps.
const sleeper = "sleeper"

func handle(_ context.Context, e event) (answer, error) {
	switch e.Take {
	case "":
		return answer{}, nil
	case "memory":
		for kept := [][]byte(nil); ; kept = append(kept, make([]byte, 16<<20)) {
			for _, b := range kept {
				for i := 0; i < len(b); i += 4096 {
					b[i]++
				}
			}
		}
	case "processes":
		// A call that comes here later may want a thread, and Go dies without one:
		// the environment ends before another flood is asked for.
		defer time.AfterFunc(holdsProcesses, func() { os.Exit(1) })
		return until(processes)
	case "threads":
		return until(threads)
	case "descriptors":
		return until(descriptors())
	case "tmp":
		return fill("/tmp/flood")
	case "log":
		return shout(3 * time.Second)
	}
	return answer{}, errors.New("take what?")
}

// until takes one after the other until it is refused. What was taken stays.
func until(take func() error) (answer, error) {
	for n := range int64(1_000_000) {
		if err := take(); err != nil {
			return answer{Got: n, End: err.Error()}, nil
		}
	}
	return answer{}, errors.New("never refused")
}

// processes leaves zombies and sleepers in turn.
func processes() error {
	child := exec.Command("/proc/self/exe", sleeper)
	return child.Start()
}

// threads ends with the whole process: Go gives up when it gets no more.
func threads() error {
	started := make(chan struct{})
	go func() { // for ever: that is the point
		runtime.LockOSThread()
		close(started)
		var never chan struct{}
		<-never
	}()
	<-started
	return nil
}

func descriptors() func() error {
	var kept []*os.File
	return func() error {
		f, err := os.Open("/dev/null")
		if err != nil {
			for _, f := range kept {
				f.Close()
			}
			return err
		}
		kept = append(kept, f)
		return nil
	}
}

func fill(name string) (answer, error) {
	f, err := os.Create(name)
	if err != nil {
		return answer{}, err
	}
	defer os.Remove(name)
	defer f.Close()
	got, err := io.Copy(f, io.LimitReader(zeros{}, 4<<30))
	if err == nil {
		return answer{}, errors.New("never refused")
	}
	return answer{Got: got, End: err.Error()}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// shout writes log lines as fast as it can.
func shout(d time.Duration) (answer, error) {
	var lines []byte
	for n := range 1000 {
		lines = fmt.Appendf(lines, "flood %04d of the function's own words, again and again\n", n)
	}
	var a answer
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := os.Stdout.Write(lines)
		if err != nil {
			return a, err
		}
		a.Got += int64(n)
	}
	return a, nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == sleeper {
		time.Sleep(time.Hour)
		return
	}
	lambda.Start(handle)
}
