// Starts the indexing of an uploaded document.
package main

import (
	"os/exec"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Document string }

func handler(e event) (map[string]any, error) {
	// Wrong: nobody waits for the child process; one more stays behind with each request.
	index := exec.Command("/bin/sleep", "120")
	if err := index.Start(); err != nil {
		return nil, err
	}
	return map[string]any{"document": e.Document, "indexing": index.Process.Pid > 0}, nil
}

func main() { lambda.Start(handler) }
