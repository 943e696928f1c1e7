// Renders a greeting by a program that takes its settings from the environment.
package main

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Name, Word string }

func handler(ctx context.Context, e event) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `echo "$GREETING_WORD, $GREETING_NAME!"`)
	// Right: the child gets an environment of its own, this process keeps its own.
	cmd.Env = append(os.Environ(), "GREETING_NAME="+e.Name, "GREETING_WORD="+e.Word)
	out, err := cmd.Output()
	return map[string]string{"greeting": strings.TrimSpace(string(out))}, err
}

func main() { lambda.Start(handler) }
