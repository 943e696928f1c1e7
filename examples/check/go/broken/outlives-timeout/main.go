// Waits for a print job to end and answers with its pages.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Job   string
	Pages int
}

func handler(e event) (map[string]any, error) {
	printed := 0
	// Wrong: never looks at the context's deadline; a long job holds its slot far beyond the timeout.
	for printed < e.Pages {
		time.Sleep(20 * time.Millisecond)
		printed++
	}
	return map[string]any{"job": e.Job, "pages": printed}, nil
}

func main() { lambda.Start(handler) }
