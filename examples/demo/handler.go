package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

//go:embed python/app.py
var pythonSource []byte

// activeLimit is how long a version may take to become active; chosen, far above what it needs.
const activeLimit = 2 * time.Minute

// handler is one of the demo's two handlers, packed.
type handler struct {
	runtime types.Runtime
	entry   string
	zip     []byte
}

func python(version types.Runtime) func(context.Context) (handler, error) {
	return func(context.Context) (handler, error) {
		zip, err := setup.Zip(map[string][]byte{"app.py": pythonSource})
		return handler{version, "app.handler", zip}, err
	}
}

// golang builds the Go handler for this machine.
func golang(ctx context.Context) (handler, error) {
	dir, err := os.MkdirTemp("", "lamina-demo-")
	if err != nil {
		return handler{}, err
	}
	defer os.RemoveAll(dir)
	bootstrap := filepath.Join(dir, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bootstrap, "github.com/lamina-dev/lamina/examples/demo/handler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		return handler{}, fmt.Errorf("building the Go handler: %w\n%s", err, out)
	}
	binary, err := os.ReadFile(bootstrap)
	if err != nil {
		return handler{}, err
	}
	zip, err := setup.Zip(map[string][]byte{"bootstrap": binary})
	return handler{types.RuntimeProvidedal2023, "bootstrap", zip}, err
}

// publishOne publishes the function and waits until it can be invoked.
func publishOne(ctx context.Context, c *setup.Clients, f setup.Function) error {
	if err := c.Publish(ctx, f); err != nil {
		return err
	}
	return c.WaitActive(ctx, f.Name, activeLimit)
}

// isMissingRuntime says whether a version failed, or was refused, because this machine lacks the runtime.
func isMissingRuntime(err error) bool {
	if failed, ok := errors.AsType[*setup.FailedError](err); ok {
		return failed.Code == types.StateReasonCodeInvalidRuntime
	}
	return err != nil && strings.Contains(err.Error(), "InvalidRuntime")
}
