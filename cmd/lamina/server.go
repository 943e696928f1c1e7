package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-dev/lamina"
	apicloudwatch "github.com/lamina-dev/lamina/internal/api/cloudwatch"
	apiec2 "github.com/lamina-dev/lamina/internal/api/ec2"
	apiiam "github.com/lamina-dev/lamina/internal/api/iam"
	apilambda "github.com/lamina-dev/lamina/internal/api/lambda"
	apilogs "github.com/lamina-dev/lamina/internal/api/logs"
	apists "github.com/lamina-dev/lamina/internal/api/sts"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/controller"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/fleet/catalogue"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/fleet/driver/outage"
	"github.com/lamina-dev/lamina/internal/fleet/driver/process"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/network/door"
	"github.com/lamina-dev/lamina/internal/network/paths"
	"github.com/lamina-dev/lamina/internal/router"
	"github.com/lamina-dev/lamina/internal/runtimes/roots"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/store/blobs"
	"github.com/lamina-dev/lamina/internal/store/sqlite"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/telemetry"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// serverConfig is what `lamina up` hands to the server.
type serverConfig struct {
	folder         folder
	endpoint       string
	front          uint16 // port of endpoint
	loopback       bool
	images         apilambda.Images
	hosts          []string // names besides loopback under which clients may call
	settings       driver.Settings
	orphan         time.Duration
	age            time.Duration // at which an instance is replaced
	environmentAge time.Duration // likewise
	logLimit       int64         // bytes a log group keeps; 0: no limit
	log            *slog.Logger
}

// server is the wiring of all parts; the parts know each other through it only.
type server struct {
	cfg        serverConfig
	store      *sqlite.Store
	view       *view.View
	lambda     tables.Lambda
	ec2        tables.EC2
	iam        tables.IAM
	fleetRows  tables.Fleet
	packages   *blobs.Dir
	events     *telemetry.Logs
	metrics    *metric.DB
	publisher  *apicloudwatch.Publisher
	logs       *apilogs.API
	ingester   *apilogs.Ingester
	sessions   *iam.Sessions
	roles      *iam.Roles
	router     *router.Router
	fleet      *fleet.Fleet
	controller *controller.Controller
	paths      *paths.Paths
	writers    *logWriters
	socket     net.Listener
	outages    *outage.Driver

	consoleSocket net.Listener
	doorSocket    net.Listener
	gate          *door.Gate
	doorHandler   http.Handler
	handler       http.Handler
}

// newServer opens the data folder and builds every part; nothing runs yet.
func newServer(ctx context.Context, cfg serverConfig) (*server, error) {
	s := &server{cfg: cfg}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.build(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// open opens what is kept on disk.
func (s *server) open(ctx context.Context) (err error) {
	f := s.cfg.folder
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w; name another with --data DIR", err)
	}
	if s.store, err = sqlite.Open(ctx, f.store()); err != nil {
		return err
	}
	s.view = view.New()
	s.lambda, s.ec2, s.iam, s.fleetRows = tables.NewLambda(s.view), tables.NewEC2(s.view), tables.NewIAM(s.view), tables.NewFleet(s.view)
	logRows := tables.NewLogs(s.view)
	if err := s.view.Open(ctx, s.store); err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	if s.packages, err = blobs.Open(f.packages()); err != nil {
		return err
	}
	if s.events, err = telemetry.Open(f.telemetry(), telemetry.Options{GroupBytes: s.cfg.logLimit}); err != nil {
		return err
	}
	if s.metrics, err = metric.Open(f.metrics(), metric.Options{Logger: s.cfg.log}); err != nil {
		return err
	}
	s.logs = apilogs.New(s.view, logRows.Groups, logRows.Streams, s.events, time.Now)
	s.ingester = apilogs.NewIngester(s.logs, s.cfg.log)
	secret, err := f.secret()
	if err != nil {
		return err
	}
	s.sessions, err = iam.NewSessions(secret)
	return err
}

// build makes the moving parts.
func (s *server) build() error {
	f := s.cfg.folder
	s.roles = &iam.Roles{Tables: s.iam, Sessions: s.sessions, Clock: time.Now}
	s.router = router.New()
	machines, err := process.New(process.Config{Dir: f.instances(), DataDir: string(f), Log: s.cfg.log})
	if err != nil {
		return err
	}
	s.outages = outage.New(machines)
	if s.consoleSocket, err = f.listen(consoleSocket); err != nil {
		return err
	}
	if s.doorSocket, err = f.listen(doorSocket); err != nil {
		return err
	}
	path, err := f.socket(controlSocket)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil { // the store's lock says that nobody else serves it
		return fmt.Errorf("remove the old control socket: %w", err)
	}
	if s.socket, err = net.Listen("unix", path); err != nil {
		return fmt.Errorf("listen for agents: %w", err)
	}
	s.paths = paths.New(s.view, s.ec2)
	s.writers = newLogWriters(s.view, s.roles, s.iam, s.lambda.Versions)
	settings := s.cfg.settings
	settings.Door, settings.Front = s.doorSocket.Addr().String(), s.cfg.front
	s.fleet = fleet.New(fleet.Config{
		View: s.view, Tables: s.fleetRows, Providers: s.lambda.Providers, Subnets: s.ec2.Subnets, Groups: s.ec2.Groups, Interfaces: s.ec2.Interfaces, NewInterface: network.NewInterface,
		Network: s.paths.Network, NetworkChanged: s.paths.Changed(),
		Driver: s.outages, Settings: settings, ServerAddr: "unix://" + path, Orphan: s.cfg.orphan,
		Logs: logSink{s.ingester}, Delivers: paths.NewDelivery(s.paths, s.writers.refusal, s.cfg.log).Delivers, MayLog: s.writers.may, Packages: packages{s.packages}, Clock: time.Now, Log: s.cfg.log,
	})
	s.controller = controller.New(controller.Config{
		View: s.view, Lambda: s.lambda, Subnets: s.ec2.Subnets, Interfaces: s.ec2.Interfaces, Allocations: s.fleetRows.Allocations,
		Fleet: s.fleet, Routes: s.router, Roles: s.roles, Credentials: s.roles, Offers: offers,
		FreeAddresses: freeAddresses, NewInstanceID: func() string { return network.NewID("i") }, InstanceAge: s.cfg.age, EnvironmentAge: s.cfg.environmentAge, Clock: time.Now, Log: s.cfg.log,
	})
	s.publisher = &apicloudwatch.Publisher{Metrics: s.metrics, Meters: s.router, Fleet: s.fleet, Versions: s.lambda.Versions, Now: time.Now}
	s.gate = newGate(s)
	s.handler = s.routes()
	return nil
}

// routes is the front door.
func (s *server) routes() http.Handler {
	verifier := &iam.Verifier{Sessions: s.sessions, Loopback: s.cfg.loopback, Clock: time.Now}
	aws := awsproto.NewMux(awsproto.Config{Authenticate: bySide(verifier), WithRequestID: lamina.WithRequestID, Log: s.cfg.log})
	iamService := &apiiam.Service{View: s.view, Tables: s.iam, Clock: time.Now}
	iamService.Register(aws)
	(&apists.Service{Tables: s.iam, Sessions: s.sessions, Clock: time.Now}).Register(aws)
	apiec2.New(apiec2.Deps{View: s.view, Tables: s.ec2, Instances: s.fleetRows.Instances, Providers: s.lambda.Providers, Now: time.Now}).Register(aws)
	s.logs.Register(aws)
	(&apicloudwatch.Service{Metrics: s.metrics, Now: time.Now}).Register(aws)
	links := codeLinks{endpoint: s.cfg.endpoint, sessions: s.sessions, packages: s.packages}
	apilambda.New(apilambda.Config{
		View: s.view, Tables: s.lambda, Subnets: s.ec2.Subnets, Groups: s.ec2.Groups, Blobs: s.packages, Images: s.cfg.images,
		Roles: s.roles, Invoker: s.router, AcceptType: catalogue.Accepted,
		OnFirstProvider: iamService.EnsureServiceLinked, CodeURL: links.url,
		TraceID: traceID,
	}).Register(aws)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"service":"lamina","version":"`+version+`"}`) // the client may be gone
	})
	mux.HandleFunc("GET "+codePath+"{sha}", links.serve)
	mux.Handle("GET "+metricsPath, onlyLoopback(s.publisher, aws))
	s.doorHandler = s.gate.Around(withTrace(doorMux(aws, links)))
	return iam.Guard(s.gate.Around(withTrace(beside(mux, aws))), s.cfg.hosts)
}

// run works until ctx ends. ready is called once agents of an earlier server
// are back and every active version has its environments again.
func (s *server) run(ctx context.Context, ready func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.view.Run(ctx) })
	g.Go(func() error { return s.events.Run(ctx) })
	if err := s.logs.Restore(ctx); err != nil {
		s.cfg.log.Warn("log retention is not restored", "error", err)
	}
	g.Go(func() error { return s.ingester.Run(ctx) })
	g.Go(func() error { return s.runMetrics(ctx) })
	g.Go(func() error { return s.fleet.Run(ctx, s.socket) })
	g.Go(func() error { return s.controller.Run(ctx) })
	collector := &controller.Collector{Lambda: s.lambda, Blobs: s.packages, Images: s.cfg.folder.images(), Codes: s.cfg.folder.codes(), Roots: roots.Open(s.cfg.settings.Roots), Log: s.cfg.log}
	g.Go(func() error { return collector.Run(ctx) })
	g.Go(func() error { return s.serveConsole(ctx) })
	g.Go(func() error { return s.serveDoor(ctx) })
	g.Go(func() error {
		settled, cancel := context.WithTimeout(ctx, restoreLimit)
		defer cancel()
		s.controller.Settled(settled)
		if ctx.Err() != nil {
			return nil
		}
		return ready(ctx)
	})
	return g.Wait()
}

// runMetrics publishes until ctx ends; what was counted last is written too.
func (s *server) runMetrics(ctx context.Context) error {
	keeping, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var g errgroup.Group
	g.Go(func() error { return s.metrics.Run(keeping) })
	g.Go(func() error { defer end(); return s.publisher.Run(ctx) })
	return g.Wait()
}

// restoreLimit bounds how long a start waits for the environments of before.
const restoreLimit = 15 * time.Second

func (s *server) close() {
	for _, l := range []net.Listener{s.socket, s.consoleSocket, s.doorSocket} {
		if l != nil {
			l.Close()
		}
	}
	if err := s.view.Close(); err != nil {
		s.cfg.log.Warn("close the view", "error", err)
	}
	if err := s.store.Close(); err != nil {
		s.cfg.log.Warn("close the store", "error", err)
	}
}

type packages struct{ dir *blobs.Dir }

// Package implements fleet.Packages.
func (p packages) Package(sha string) (io.ReadCloser, error) {
	f, _, err := p.dir.Open(sha)
	return f, err
}

// offers are the types a provider may launch: those it allows, else the current ones.
func offers(p lamina.CapacityProvider) []scheduler.Offer {
	var allowed, excluded []string
	if p.Requirements != nil {
		allowed, excluded = p.Requirements.Allowed, p.Requirements.Excluded
	}
	var out []scheduler.Offer
	for _, t := range catalogue.Candidates(p.Architecture(), allowed, excluded) {
		if len(allowed) > 0 || t.Current {
			out = append(out, scheduler.Offer{Type: t.Name, VCPUs: t.VCPUs, MemoryMiB: t.MemoryMiB})
		}
	}
	return out
}

func freeAddresses(s lamina.Subnet, used int) int {
	prefix, ok := network.ParseIPv4(s.CIDR)
	if !ok {
		return 0
	}
	return max(0, network.Size(prefix)-used)
}
