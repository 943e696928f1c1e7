// Renders a greeting in a buffer that it keeps, to spare allocations.
package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// Wrong: one buffer for all requests.
var scratch bytes.Buffer

type event struct{ Name, Town string }

func handler(e event) (map[string]string, error) {
	scratch.Reset()
	fmt.Fprintf(&scratch, "Dear %s,", e.Name)
	time.Sleep(8 * time.Millisecond) // looks the town up
	fmt.Fprintf(&scratch, " how is %s?", e.Town)
	return map[string]string{"letter": scratch.String()}, nil
}

func main() { lambda.Start(handler) }
