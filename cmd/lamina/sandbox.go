package main

import (
	"context"
	"fmt"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/sandbox/oci"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

// sandboxFlags say in what environments run.
type sandboxFlags struct {
	Sandbox string      `help:"What environments run in: ${enum}. auto is runc where it is installed and permitted, else plain." enum:"auto,plain,runc,runsc" default:"auto"`
	Network oci.Network `help:"Network of environments: host, or none (runc and runsc: loopback and the Runtime API alone)." enum:"host,none" default:"host"`
}

// choice is a sandbox that this host permits, and why not a better one.
type choice struct{ sandbox, because string }

// choose finds out, by running a container, what this host permits.
func (f sandboxFlags) choose(ctx context.Context) (choice, error) {
	c := choice{sandbox: f.Sandbox}
	switch f.Sandbox {
	case "runc", "runsc":
		if r := oci.Probe(ctx, oci.Kind(f.Sandbox), f.Network); r.Reason != "" {
			return c, fmt.Errorf("--sandbox %s: %s; plain needs nothing, and lamina doctor says what it isolates", f.Sandbox, r.Reason)
		}
		return c, nil
	case "auto":
		r := oci.Probe(ctx, oci.Runc, f.Network)
		if r.Reason == "" && r.Full {
			return choice{sandbox: string(oci.Runc)}, nil
		}
		c = choice{"plain", notFull(r)}
	}
	if f.Network == oci.NetworkNone {
		return c, fmt.Errorf("--network none takes --sandbox runc or runsc: the plain sandbox has the host's network")
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

func (c choice) settings(s driver.Settings, f sandboxFlags) driver.Settings {
	s.Sandbox, s.Network = c.sandbox, string(f.Network)
	return s
}

func (c choice) String() string {
	if c.because == "" {
		return c.sandbox
	}
	return c.sandbox + ": " + c.because
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
	c, err := sandboxFlags{Sandbox: "auto", Network: oci.NetworkHost}.choose(ctx)
	if err == nil {
		fmt.Println("  lamina up takes", c)
	}
}
