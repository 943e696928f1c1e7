package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/lamina-dev/lamina/internal/agent"
	"github.com/lamina-dev/lamina/internal/fleet/driver/process"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
	"github.com/lamina-dev/lamina/internal/wire"
)

// agentCmd is started by the process driver, never by hand.
type agentCmd struct {
	Instance string `arg:"" help:"Id of the instance."`
}

// Run is the agent's whole life.
func (c agentCmd) Run(ctx context.Context) error {
	start, err := wire.ReadStart(os.NewFile(process.StartFD, "start"))
	if err != nil {
		return fmt.Errorf("instance %s: %w", c.Instance, err)
	}
	box, err := plain.New(ctx)
	if err != nil {
		return fmt.Errorf("instance %s: prepare its sandbox: %w", c.Instance, err)
	}
	return agent.Run(ctx, agent.Config{Start: start, Sandbox: box, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
}
