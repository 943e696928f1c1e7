// Lamina is a self-hosted AWS Lambda Managed Instances: `lamina up` is a whole
// region on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/lamina-dev/lamina/internal/network/gateway"
	"github.com/lamina-dev/lamina/internal/sandbox/oci"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

// version is set by the release build.
var version = "0.1.0-dev"

// cli is every subcommand. The flags that concern the server keep these names
// for good; each is an environment variable LAMINA_… as well (DESIGN.md 2).
type cli struct {
	Up       upCmd       `cmd:"" help:"Start the server: a region of Lambda Managed Instances on this machine."`
	Down     downCmd     `cmd:"" help:"Stop the server and everything it runs."`
	Reset    resetCmd    `cmd:"" help:"Stop the server and empty its data folder."`
	Env      envCmd      `cmd:"" help:"Print the environment an AWS client needs: eval \"$(lamina env)\"."`
	Exec     execCmd     `cmd:"" help:"Run a command against the server: lamina exec -- terraform apply."`
	Explain  explainCmd  `cmd:"" help:"Say why a function version or a capacity provider is as it is, and what would change it."`
	Outage   outageCmd   `cmd:"" help:"Make zones or instance types unavailable on purpose; a zone's instances end with it."`
	Runtimes runtimesCmd `cmd:"" help:"Say which runtimes run here and where they come from; install and remove them."`
	Check    checkCmd    `cmd:"" help:"Find out whether a function is safe when its requests overlap; exit status 1 means it is not."`
	Doctor   doctorCmd   `cmd:"" help:"Say what this machine offers, and how to get what is missing."`
	Simulate simulateCmd `cmd:"" help:"Foretell throttles, latency, fleet and cost of a load, on a virtual clock."`
	Agent    agentCmd    `cmd:"" hidden:"" help:"Run as the agent of one instance; the server starts it."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	_, err := fmt.Println("lamina", version)
	return err
}

func main() {
	plain.Main() // a sandbox stage or probe never comes back
	oci.Main()
	gateway.Main()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 1 {
		os.Args = append(os.Args, "--help") // the error of a missing command would name five of them
	}
	var c cli
	k := kong.Parse(&c, kong.Name("lamina"),
		kong.Description("The open, self-hosted AWS Lambda Managed Instances."),
		kong.DefaultEnvars("LAMINA"), kong.ShortUsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err := k.Run(); err != nil {
		if code, ok := errors.AsType[exitError](err); ok {
			os.Exit(int(code))
		}
		fmt.Fprintln(os.Stderr, "lamina: "+err.Error())
		os.Exit(1)
	}
}

// exitError ends the program with a status and no further word.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
