// Command demo shows Lambda Managed Instances on this machine, through the
// public API: it starts a server, creates a function on a capacity provider,
// invokes it sixteen times at once and leaves the server up.
//
// Run it twice: the second time it finds what the first has made. With -load it
// only keeps the function busy, and shows how the fleet follows.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/lamina-dev/lamina/examples/setup"
)

const (
	name   = "lamina-demo"
	region = "us-east-1"
	calls  = 16
)

func main() {
	lamina := flag.String("lamina", "bin/lamina", "the lamina binary")
	data := flag.String("data", "bin/demo-data", "data folder of the demo's server")
	listen := flag.String("listen", envOr("LAMINA_LISTEN", "127.0.0.1:4566"), "address of the demo's server")
	busy := flag.Duration("load", 0, "keep the function of an earlier run busy for so long, and show what becomes of the calls")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *lamina, *data, *listen, *busy); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func envOr(key, otherwise string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return otherwise
}

func run(ctx context.Context, lamina, data, listen string, busy time.Duration) error {
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	s := server{binary: lamina, data: data, listen: listen}
	if err := s.start(ctx); err != nil {
		return err
	}
	c := setup.New(s.endpoint(), region)
	if busy > 0 {
		return keepBusy(ctx, c, busy)
	}
	f, err := landscape(ctx, c)
	if err != nil {
		return err
	}
	if err := publish(ctx, c, f); err != nil {
		return err
	}
	instances, err := c.EC2.Instances(ctx, true)
	if err != nil {
		return err
	}
	printInstances(instances)
	answers, took, err := invokeAtOnce(ctx, c, calls)
	if err != nil {
		return err
	}
	printAnswers(answers, took)
	fmt.Printf(`
The server stays up at %s. Try:
  eval "$(%s env --data %s)"
  aws lambda invoke --function-name %s /dev/stdout
  aws ec2 describe-instances --include-managed-resources
  %s explain %s
  go run ./examples/demo -load 20s   # environments are added within two seconds; kill -9 an instance meanwhile
Stop it: %s down --data %s
`, s.endpoint(), lamina, data, name, lamina, name, lamina, data)
	return nil
}

// landscape makes what the function stands on.
func landscape(ctx context.Context, c *setup.Clients) (setup.Function, error) {
	f := setup.Function{Name: name}
	network, err := c.Network(ctx, name, 3)
	if err != nil {
		return f, err
	}
	fmt.Printf("VPC %s, subnets %v, security group %s\n", network.VPC, network.Subnets, network.Group)
	operator, err := c.Role(ctx, name+"-operator", setup.OperatorPolicy)
	if err != nil {
		return f, err
	}
	if f.Role, err = c.Role(ctx, name+"-execution", setup.ExecutionPolicy); err != nil {
		return f, err
	}
	f.Provider, err = c.Provider(ctx, name, network, operator, nil)
	if err == nil {
		fmt.Printf("capacity provider %s\n", f.Provider)
	}
	return f, err
}

// publish puts the function on the capacity provider: the Python handler, or the Go one where this machine has no such Python.
func publish(ctx context.Context, c *setup.Clients, f setup.Function) error {
	var lacking error
	for _, make := range []func(context.Context) (handler, error){python("python3.13"), python("python3.14"), golang} {
		h, err := make(ctx)
		if err != nil {
			return err
		}
		f.Runtime, f.Handler, f.Zip = h.runtime, h.entry, h.zip
		start := time.Now()
		err = publishOne(ctx, c, f)
		if isMissingRuntime(err) {
			lacking = err
			continue
		}
		if err != nil {
			return err
		}
		if lacking != nil {
			fmt.Printf("no Python 3.13 or newer here, so the handler is the one in Go (%v)\n", lacking)
			fmt.Printf("  to get Python: apt install python3.13, or pyenv install 3.13, or uv python install 3.13; `lamina doctor` shows what is found\n")
		}
		fmt.Printf("function %s (%s): from publish to Active %s\n", f.Name, f.Runtime, time.Since(start).Round(time.Millisecond))
		return nil
	}
	return lacking
}
