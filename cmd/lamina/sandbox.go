package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/network/gateway"
	"github.com/lamina-dev/lamina/internal/sandbox/oci"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

// sandboxFlags say in what environments run.
type sandboxFlags struct {
	Sandbox string `help:"What environments run in: ${enum}. auto is runc where it is installed and permitted, else plain; ordinary functions then run in runsc where it is, for micro-VMs." enum:"auto,plain,runc,runsc" default:"auto"`
	Network string `help:"Network of environments: ${enum}. auto is vpc as root where it can work, else host; none is loopback and the Runtime API alone." enum:"auto,vpc,host,none" default:"auto"`
}

// choice is a sandbox and a network that this host permits, and why not better ones.
type choice struct {
	sandbox, because string
	ordinary         string // what ordinary functions run in
	noRunsc          string // why not in runsc; "" where it was not looked for
	network          oci.Network
	hostBecause      string
}

// choose finds out, by trying, what this host permits.
func (f sandboxFlags) choose(ctx context.Context) (choice, error) {
	network, because, err := f.chooseNetwork(ctx)
	if err != nil {
		return choice{}, err
	}
	// gVisor is for ordinary functions, which AWS runs in micro-VMs, where nothing
	// else was asked for. Trying it takes as long as trying runc does.
	var gvisor oci.Result
	var both sync.WaitGroup
	if f.Sandbox == "auto" {
		both.Go(func() { gvisor = oci.Probe(ctx, oci.Runsc, network) })
	}
	c, err := f.chooseSandbox(ctx, network)
	both.Wait()
	c.network, c.hostBecause = network, because
	c.ordinary, c.noRunsc = c.sandbox, gvisor.Reason
	if f.Sandbox == "auto" && gvisor.Reason == "" {
		c.ordinary = string(oci.Runsc)
	}
	return c, err
}

// chooseNetwork finds out whether instances can have networks of their own.
func (f sandboxFlags) chooseNetwork(ctx context.Context) (n oci.Network, because string, err error) {
	if f.Network != "auto" && f.Network != "vpc" {
		return oci.Network(f.Network), "", nil
	}
	if f.Network == "auto" && os.Geteuid() != 0 {
		return oci.NetworkHost, "without root; try --network vpc", nil
	}
	err = gateway.Probe(ctx)
	switch {
	case err == nil:
		return oci.NetworkVPC, "", nil
	case f.Network == "vpc":
		return "", "", fmt.Errorf("--network vpc: %w", err)
	}
	return oci.NetworkHost, err.Error(), nil
}

func (f sandboxFlags) chooseSandbox(ctx context.Context, network oci.Network) (choice, error) {
	c := choice{sandbox: f.Sandbox}
	switch f.Sandbox {
	case "runc", "runsc":
		if r := oci.Probe(ctx, oci.Kind(f.Sandbox), network); r.Reason != "" {
			return c, fmt.Errorf("--sandbox %s: %s; plain needs nothing, and lamina doctor says what it isolates", f.Sandbox, r.Reason)
		}
		return c, nil
	case "auto":
		r := oci.Probe(ctx, oci.Runc, network)
		if r.Reason == "" && r.Full {
			return choice{sandbox: string(oci.Runc)}, nil
		}
		c = choice{sandbox: "plain", because: notFull(r)}
	}
	if network == oci.NetworkNone && c.sandbox == "plain" {
		return c, fmt.Errorf("--network none takes --sandbox runc or runsc")
	}
	return c, nil
}

// notFull says why runc is not chosen by itself.
func notFull(r oci.Result) string {
	if r.Reason != "" {
		return r.Reason
	}
	return "runc runs here, but with functions as user 0 of their namespace, where AWS's user is 993; --sandbox runc takes it nevertheless"
}

func (c choice) settings(s driver.Settings) driver.Settings {
	s.Sandbox, s.Ordinary, s.Network = c.sandbox, c.ordinary, string(c.network)
	return s
}

func (c choice) String() string {
	if c.because == "" {
		return c.sandbox
	}
	return c.sandbox + ": " + c.because
}

// describeOrdinary says what ordinary functions run in.
func (c choice) describeOrdinary() string {
	if c.noRunsc == "" {
		return c.ordinary
	}
	return c.ordinary + ", where AWS has micro-VMs; not gVisor: " + c.noRunsc
}

func (c choice) describeNetwork() string {
	switch {
	case c.hostBecause != "":
		return string(c.network) + ": " + c.hostBecause
	case c.network == oci.NetworkVPC:
		return "vpc: functions reach what their VPC lets out (--network host: all that this machine does)"
	}
	return string(c.network)
}

// reportSandboxes tells for doctor what each sandbox isolates here.
func reportSandboxes(ctx context.Context) {
	fmt.Println("Sandbox plain")
	if box, err := plain.New(ctx); err != nil {
		report(false, "plain", err.Error())
	} else {
		for _, g := range box.Describe() {
			report(g.Isolated, g.Aspect, g.Detail)
		}
	}
	for _, kind := range []oci.Kind{oci.Runc, oci.Runsc} {
		fmt.Println("Sandbox", kind)
		r := oci.Probe(ctx, kind, oci.NetworkHost)
		if r.Reason != "" {
			report(false, string(kind), r.Reason)
			continue
		}
		for _, g := range r.Guarantees {
			report(g.Isolated, g.Aspect, g.Detail)
		}
	}
	fmt.Println("Network")
	if err := gateway.Probe(ctx); err != nil {
		report(false, "vpc", err.Error())
	} else {
		report(true, "vpc", "packets of functions follow routes, security groups and endpoints of their VPC")
	}
	c, err := sandboxFlags{Sandbox: "auto", Network: "auto"}.choose(ctx)
	if err == nil {
		fmt.Printf("  lamina up takes sandbox %s; for ordinary functions %s; network %s\n", c, c.describeOrdinary(), c.describeNetwork())
	}
}
