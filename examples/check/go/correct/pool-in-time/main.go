// Renders a label with buffers from a pool.
package main

import (
	"bytes"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

var pool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

type event struct{ Parcel, Address string }

func render(e event) string {
	b := pool.Get().(*bytes.Buffer)
	defer pool.Put(b)
	b.Reset()
	b.WriteString(e.Parcel + ": " + e.Address)
	// Right: String makes a copy before the buffer goes back.
	return b.String()
}

func handler(e event) (map[string]string, error) {
	label := render(e)
	time.Sleep(15 * time.Millisecond)
	return map[string]string{"label": label}, nil
}

func main() { lambda.Start(handler) }
