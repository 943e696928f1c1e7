package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/console"
	"github.com/lamina-dev/lamina/internal/controller"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/network/paths"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/wire"
)

// serveConsole answers the operator until ctx ends.
func (s *server) serveConsole(ctx context.Context) error {
	web := &http.Server{Handler: s.console(), ReadHeaderTimeout: headerLimit, ReadTimeout: headAndBody}
	defer context.AfterFunc(ctx, func() { web.Close() })()
	if err := web.Serve(s.consoleSocket); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the console: %w", err)
	}
	return nil
}

func (s *server) console() http.Handler {
	c := console.Console{
		Explainer: explainer{s.controller, s.fleet, s.lambda, s.fleetRows, s.paths, s.writers},
		Outages:   s.outages,
		Fleet:     zones{s.fleet},
	}
	return c.Handler()
}

// explainer is the region as the console asks about it.
type explainer struct {
	controller  *controller.Controller
	fleet       *fleet.Fleet
	lambda      tables.Lambda
	allocations tables.Fleet
	paths       *paths.Paths
	writers     *logWriters
}

// Explain implements console.Explainer.
func (e explainer) Explain(region, name string) (console.Report, error) {
	scope := lamina.Scope{Account: iam.DefaultAccount, Region: region}
	if p, ok := e.lambda.Providers.Get(lamina.Key(scope.Account, region, name)); ok {
		return e.provider(p.Value), nil
	}
	function, qualifier, named := strings.Cut(name, ":")
	if !named {
		qualifier = lamina.LatestPublished
	}
	v, ok := e.lambda.Versions.Get(lamina.VersionKey(scope, function, qualifier))
	if !ok {
		return console.Report{}, fmt.Errorf("there is no version %s:%s and no capacity provider %s in %s; name the region with --region", function, qualifier, name, region)
	}
	return e.version(v.Value), nil
}

func (e explainer) version(v lamina.Version) console.Report {
	status, _ := e.lambda.VersionStatus.Get(v.Key())
	r := console.Report{Name: v.Function + ":" + v.Qualifier, State: status.Value.State}
	if p, ok := e.controller.Picture(v.Key()); ok {
		p.Logs = e.logs(p.Provider, v.Key())
		r.Findings = controller.Explain(p)
	}
	return r
}

// logs says why a version's log lines are lost, if they are: on the way from the
// provider's instances, or else from those that could be, or by its role.
func (e explainer) logs(p lamina.CapacityProvider, versionKey string) *lamina.Finding {
	var answers []network.Answer
	for _, m := range e.fleet.Members() {
		if m.ProviderKey() == p.Key() && !m.Ending {
			answers = append(answers, e.paths.Service(m.Instance, paths.Logs))
		}
	}
	if len(answers) == 0 {
		for _, subnet := range p.SubnetIDs {
			answers = append(answers, e.paths.FromSubnet(p, subnet, paths.Logs))
		}
	}
	return controller.LogsLost(answers, e.writers.refusal(versionKey))
}

func (e explainer) provider(p lamina.CapacityProvider) console.Report {
	status, _ := e.lambda.ProviderStatus.Get(p.Key())
	used, _ := e.allocations.Allocations.Get(p.Key())
	r := console.Report{Name: p.Name, State: status.Value.State, VCPUs: used.Value.VCPUs, MaxVCPUs: p.MaxVCPU()}
	for _, m := range e.fleet.Members() {
		if m.ProviderKey() == p.Key() {
			r.Instances = append(r.Instances, console.Instance{ID: m.ID, Type: m.Type, Zone: m.Zone, State: memberState(m), Environments: living(m)})
		}
	}
	for row := range e.lambda.Versions.All() {
		if c := row.Value.Config.Capacity; c != nil && c.ProviderARN == p.ARN() {
			r.Versions = append(r.Versions, e.version(row.Value))
		}
	}
	return r
}

func memberState(m fleet.Member) string {
	switch {
	case m.Ending:
		return "shutting-down"
	case !m.Joined:
		return "pending"
	case !m.Connected:
		return "not-heard-of"
	}
	return "running"
}

func living(m fleet.Member) int {
	n := 0
	for _, e := range m.Environments {
		if e.State != wire.EnvironmentEnded {
			n++
		}
	}
	return n
}

// zones ends what a lost zone takes with it.
type zones struct{ fleet *fleet.Fleet }

// LoseZone implements console.Fleet.
func (z zones) LoseZone(zone string) int {
	n := 0
	for id, m := range z.fleet.Members() {
		if m.Zone == zone && !m.Ending {
			z.fleet.End(id, "its zone was lost", 0)
			n++
		}
	}
	return n
}
