package process_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/lamina-dev/lamina/internal/agent"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/fleet/driver/drivertest"
	"github.com/lamina-dev/lamina/internal/fleet/driver/process"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

// TestMain lets this binary be the agent, as lamina's is.
func TestMain(m *testing.M) {
	plain.Main()
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		if err := agent.Main(context.Background(), os.NewFile(agent.StartFD, "start")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Open {
		dir := t.TempDir()
		return func(t *testing.T) driver.Driver {
			d, err := process.New(process.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	})
}
