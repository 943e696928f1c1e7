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

func render(e event) []byte {
	b := pool.Get().(*bytes.Buffer)
	// Wrong: given back while its bytes are still in use; the next request writes over them.
	defer pool.Put(b)
	b.Reset()
	b.WriteString(e.Parcel + ": " + e.Address)
	return b.Bytes()
}

func handler(e event) (map[string]string, error) {
	label := render(e)
	time.Sleep(15 * time.Millisecond) // waits for the printer
	return map[string]string{"label": string(label)}, nil
}

func main() { lambda.Start(handler) }
