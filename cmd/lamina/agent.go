package main

import (
	"context"
	"os"

	"github.com/lamina-dev/lamina/internal/agent"
)

// agentCmd is started by the process driver, never by hand.
type agentCmd struct {
	Instance string `arg:"" help:"Id of the instance."`
}

// Run is the agent's whole life.
func (c agentCmd) Run(ctx context.Context) error {
	return agent.Main(ctx, os.NewFile(agent.StartFD, "start"))
}
