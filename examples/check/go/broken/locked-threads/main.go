// Renders with a library that wants a thread of its own.
package main

import (
	"runtime"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Picture string }

var never = make(chan struct{})

func handler(e event) (map[string]any, error) {
	rendered := make(chan int)
	go func() {
		// Wrong: the goroutine keeps its thread and never ends.
		runtime.LockOSThread()
		rendered <- len(e.Picture)
		<-never
	}()
	return map[string]any{"picture": e.Picture, "size": <-rendered}, nil
}

func main() { lambda.Start(handler) }
