package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/network/door"
	"github.com/lamina-dev/lamina/internal/rawconn"
)

const (
	extensionGrace = 3 * time.Second  // at a stop, for extensions to end in: their two seconds, and some for the way
	stopGrace      = 10 * time.Second // running invocations may finish within it at a stop
	fleetLimit     = 20 * time.Second // for all instances to end at a stop
	headerLimit    = 5 * time.Second  // for a request's head
	headAndBody    = 15 * time.Second // for what of a request nobody reads; the front door gives bodies their own time
	idleLimit      = 2 * time.Minute
	maxHeader      = 64 << 10 // bytes (chosen): the largest real ones, tokens and client contexts, have a few KiB
	coresPerCPU    = 8        // one vCPU is the cores ÷ 8, at most one core (DESIGN.md 22)
	// gcPercent lets the server's small heap grow further between collections
	// than Go's 100, with which they took a sixteenth of its time under load
	// (chosen; the variable GOGC overrides it).
	gcPercent = 400
	// softMemory is where that laziness ends: the bodies' budget, and as much
	// again for all else (chosen; the variable GOMEMLIMIT overrides it).
	softMemory = 512 << 20 // bytes
)

type upCmd struct {
	dataFlags
	sandboxFlags
	rootsFlag
	registryFlag
	Listen    string            `help:"Address to listen on." default:"127.0.0.1:4566" placeholder:"ADDR"`
	Host      []string          `help:"Further host names under which clients may call." placeholder:"NAME"`
	VCPUCores float64           `name:"vcpu-cores" help:"Share of a core that one vCPU stands for (default: cores ÷ 8, at most 1)." placeholder:"CORES"`
	CPULimit  driver.CPULimit   `name:"cpu-limit" help:"weight: vCPUs count when the host is busy; hard: always." enum:"weight,hard" default:"weight"`
	Runtime   map[string]string `help:"Interpreter of a runtime, e.g. python3.13=/opt/python/bin/python3.13." placeholder:"NAME=PATH"`
	Orphan    time.Duration     `help:"How long instances outlive a server that is gone." default:"1m"`
	Age       time.Duration     `name:"instance-age" help:"Age at which an instance is replaced by a new one; 0: never." default:"336h"`
	EnvAge    time.Duration     `name:"environment-age" help:"Age at which an execution environment is replaced by a new one; 0: never." default:"4h"`
	LogLimit  int64             `name:"log-limit" help:"MiB that a log group keeps on disk; beyond, its oldest events go. 0: no limit." default:"1024" placeholder:"MIB"`
	Detach    bool              `help:"Leave instances running at SIGTERM, for the next start (SIGUSR2 does so once)."`
	Verbose   bool              `help:"Log more." short:"v"`
}

// Run is the server's whole life.
func (c upCmd) Run(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	f, err := c.folder()
	if err != nil {
		return err
	}
	if c.VCPUCores < 0 {
		return errors.New("--vcpu-cores takes a share of a core above 0, for example 0.25")
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.level()}))
	l, err := listen(c.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	box, err := c.choose(ctx)
	if err != nil {
		return err
	}
	installed, err := c.rootsFolder()
	if err != nil {
		return err
	}
	registries, err := c.registries()
	if err != nil {
		return err
	}
	endpoint := "http://" + reachable(l.Addr().(*net.TCPAddr))
	s, err := newServer(ctx, serverConfig{
		folder: f, endpoint: endpoint, images: registries, front: uint16(l.Addr().(*net.TCPAddr).Port), loopback: l.Addr().(*net.TCPAddr).IP.IsLoopback(), hosts: c.hosts(), orphan: c.Orphan, age: c.Age, environmentAge: c.EnvAge, log: log, logLimit: c.LogLimit << 20,
		settings: box.settings(driver.Settings{VCPUCores: c.cores(), CPULimit: c.CPULimit, Runtimes: c.Runtime, Roots: installed, Images: f.images(), Codes: f.codes(), LogLevel: strings.ToLower(c.level().String())}),
	})
	if err != nil {
		return err
	}
	defer s.close()
	return c.serve(ctx, s, l, box)
}

func (c upCmd) level() slog.Level {
	if c.Verbose {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

func (c upCmd) cores() float64 {
	if c.VCPUCores > 0 {
		return c.VCPUCores
	}
	return min(1, float64(runtime.NumCPU())/coresPerCPU)
}

// hosts are the names clients use; the host of --listen is one.
func (c upCmd) hosts() []string {
	hosts := make([]string, 0, len(c.Host)+1)
	for _, h := range c.Host {
		hosts = append(hosts, strings.ToLower(h))
	}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		hosts = append(hosts, strings.ToLower(host))
	}
	return hosts
}

// reachable is the address for clients on this machine.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", a.Port)
	}
	return a.String()
}

// serve runs until a signal: then it stops accepting, lets running invocations
// finish, and ends every instance unless they shall stay.
func (c upCmd) serve(ctx context.Context, s *server, l net.Listener, box choice) error {
	detach := new(atomic.Bool)
	detach.Store(c.Detach)
	ctx, stop := onDetach(ctx, detach)
	defer stop()
	web := &http.Server{Handler: s.handler, ConnContext: door.ConnContext, ReadHeaderTimeout: headerLimit, ReadTimeout: headAndBody, IdleTimeout: idleLimit, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.cfg.log.Handler(), slog.LevelDebug)}
	web.RegisterOnShutdown(s.gate.Open)
	running, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	done := make(chan error, 1)
	go func() { // ends with running; waited for below
		done <- s.run(running, func(ctx context.Context) error {
			defer context.AfterFunc(ctx, func() { web.Close() })()
			if err := s.cfg.folder.write(serverFacts(s)); err != nil {
				return err
			}
			c.announce(s, box)
			if err := web.Serve(rawconn.Listener(l)); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve: %w", err)
			}
			return nil
		})
	}()
	var err error
	select {
	case err = <-done:
		done <- nil
	case <-ctx.Done():
		err = c.stop(s, web, detach.Load())
	}
	end(nil)
	return errors.Join(err, <-done, os.Remove(s.cfg.folder.running()))
}

func serverFacts(s *server) running {
	return running{PID: os.Getpid(), Endpoint: s.cfg.endpoint, Region: targetFlags{}.region()}
}

// onDetach makes SIGUSR2 a stop that leaves the instances.
func onDetach(ctx context.Context, detach *atomic.Bool) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	go func() { // ends with ctx
		select {
		case <-signals:
			detach.Store(true)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

func (c upCmd) stop(s *server, web *http.Server, detach bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		s.cfg.log.Warn("invocations were cut off", "after", stopGrace)
		_ = web.Close() // the listeners are closed already
	}
	s.router.Drain(ctx)
	if detach {
		return nil
	}
	ctx, cancel = context.WithTimeout(context.Background(), fleetLimit)
	defer cancel()
	return s.fleet.Shutdown(ctx, extensionGrace)
}

func (c upCmd) announce(s *server, box choice) {
	fmt.Printf("Lamina %s is up at %s\n", version, s.cfg.endpoint)
	fmt.Printf("  data      %s\n", s.cfg.folder)
	fmt.Printf("  one vCPU  %.2f of a core (--vcpu-cores)\n", s.cfg.settings.VCPUCores)
	fmt.Printf("  sandbox   %s (lamina doctor says what it isolates)\n", box)
	fmt.Printf("  ordinary  functions without a capacity provider: %s\n", box.describeOrdinary())
	fmt.Printf("  network   %s\n", box.describeNetwork())
	if !s.cfg.loopback {
		fmt.Println("No client's keys are accepted at an address off loopback: keys of one's own are still to come.")
		fmt.Println("For clients, listen on loopback (the default); from another machine, use a tunnel: ssh -L 4566:127.0.0.1:4566 HOST")
		return
	}
	fmt.Println("Point a client at it:")
	set, unset := clientEnv(s.cfg.endpoint, targetFlags{}.region())
	for _, kv := range set {
		fmt.Printf("  export %s=%s\n", kv[0], shellQuote(kv[1]))
	}
	fmt.Printf("  unset %s\n", strings.Join(unset, " "))
	folder := ""
	if c.Data != "" {
		folder = " --data " + shellQuote(string(s.cfg.folder))
	}
	fmt.Printf("or: eval \"$(lamina env%[1]s)\"   or: lamina exec%[1]s -- terraform apply\n", folder)
}
