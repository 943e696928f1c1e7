// Package agent is what runs on a managed instance: it follows the server's
// assignments, starts and ends execution environments, hands invocations to
// them and reports. It has the last word on slots.
//
// It outlives the server. While none answers it goes on serving, and a
// restarted one finds the environments as they were; only when no server came
// back in time, or its data folder is gone, does the agent end itself.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-dev/lamina/internal/network/gateway"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Config is what an agent is made of.
type Config struct {
	wire.Start
	Sandbox sandbox.Sandbox
	Gateway *gateway.Gateway // to the VPC; nil where environments have no such network
	Log     *slog.Logger

	threads *threads // of an agent that is a process of its own
}

// Defaults of Config's zero values, and how long running invocations may take
// to finish when the agent ends (chosen).
const (
	defaultOrphan = time.Minute // DESIGN.md 11
	orphanGrace   = 30 * time.Second
	signalGrace   = 2 * time.Second
)

// Causes for which an agent ends itself; Run returns nil for all of them but refusal.
var (
	errShutdown = errors.New("the server ended this instance")
	errOrphan   = errors.New("no server came back in time")
	errNoData   = errors.New("the data folder is gone")
	errRefused  = errors.New("refused by the server")
)

type agent struct {
	cfg     Config
	log     *slog.Logger
	codes   *codes
	cpus    *cpus
	runtime *runtimeFiles
	logs    *shipper
	session session
	changed chan struct{} // a report is due
	sampler sampler
	host    hostCPU

	ctx  context.Context // ends when everything must be gone
	stop context.CancelCauseFunc
	work errgroup.Group // environments

	mu         sync.Mutex
	ending     bool
	epoch      int64
	generation int64
	order      []*environment
	// byID is a copy of order for the invoke path, which takes no lock.
	byID atomic.Pointer[map[string]*environment]
}

// Run is an agent's whole life. It returns once nothing of it is left; that ctx
// ended is a way to end it in order.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Orphan <= 0 {
		cfg.Orphan = defaultOrphan
	}
	if cfg.VCPUCores <= 0 {
		cfg.VCPUCores = 1
	}
	a := newAgent(cfg)
	l, err := listen(ctx, cfg.Start)
	if err != nil {
		return err
	}
	defer a.clear()
	stop := context.AfterFunc(ctx, func() { a.end(context.Canceled, signalGrace) })
	defer stop()
	return a.serve(l)
}

func newAgent(cfg Config) *agent {
	a := &agent{
		cfg:     cfg,
		log:     cfg.Log.With("instance", cfg.InstanceID),
		changed: make(chan struct{}, 1),
		sampler: sampler{wake: make(chan struct{}, 1)},
	}
	a.ctx, a.stop = context.WithCancelCause(context.Background())
	a.codes = newCodes(cfg, a.fetch)
	a.cpus = newCPUs(cfg)
	a.runtime = newRuntimeFiles(filepath.Join(cfg.Dir, "runtime"))
	a.logs = newShipper(&a.session)
	a.session.orphan = cfg.Orphan
	a.session.since = time.Now()
	a.session.welcome = make(chan struct{}, 1)
	a.byID.Store(&map[string]*environment{})
	return a
}

// serve joins all that an agent does.
func (a *agent) serve(l net.Listener) error {
	var g errgroup.Group
	addr := address(l)
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return a.serveInvokes(ctx, l) },
		func(ctx context.Context) error { return a.follow(ctx, addr) },
		a.report, a.sample, a.guard, a.logs.run,
	}
	if a.cfg.Gateway != nil {
		parts = append(parts, a.cfg.Gateway.Run)
	}
	for _, part := range parts {
		g.Go(func() error {
			err := part(a.ctx)
			if err != nil {
				a.stop(err)
			}
			return err
		})
	}
	err := g.Wait()
	a.mu.Lock()
	a.ending = true
	a.mu.Unlock()
	a.work.Wait()
	switch cause := context.Cause(a.ctx); {
	case err != nil:
		return err
	case errors.Is(cause, errRefused):
		return cause
	default:
		a.log.Info("agent ends", "cause", cause)
		return nil
	}
}

// end lets running invocations finish within grace, ends all environments and
// then the agent. The first call counts.
func (a *agent) end(cause error, grace time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending {
		return
	}
	a.ending = true
	envs := a.order
	a.log.Info("ending", "cause", cause, "grace", grace, "environments", len(envs))
	a.work.Go(func() error {
		ctx, cancel := context.WithTimeout(a.ctx, grace)
		defer cancel()
		for _, e := range envs {
			e.drain()
		}
		for _, e := range envs {
			select {
			case <-e.done:
			case <-ctx.Done():
				e.kill()
				<-e.done
			}
		}
		a.logs.flush()
		a.stop(cause)
		return nil
	})
}

// clear removes what lies in the scratch folder, not the folder itself: that is the driver's.
func (a *agent) clear() {
	entries, err := os.ReadDir(a.cfg.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		switch e.Name() {
		case "env", codeDir, "opt", "runtime", imagesDir, ociDir, socketName:
			if err := os.RemoveAll(filepath.Join(a.cfg.Dir, e.Name())); err != nil {
				a.log.Warn("remains stay behind", "err", err)
			}
		}
	}
}

// notify makes a report due.
func (a *agent) notify() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *agent) environment(id string) *environment { return (*a.byID.Load())[id] }

// environments is the list at this moment; its slice is never changed.
func (a *agent) environments() []*environment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.order
}

// setOrder replaces the list; a.mu is held.
func (a *agent) setOrder(order []*environment) {
	byID := make(map[string]*environment, len(order))
	for _, e := range order {
		byID[e.spec.ID] = e
	}
	a.order = order
	a.byID.Store(&byID)
}

// apply makes what runs match list, which replaces all before it.
func (a *agent) apply(list wire.Assignments) {
	a.mu.Lock()
	if a.ending || stale(list, a.epoch, a.generation) {
		a.mu.Unlock()
		return
	}
	a.epoch, a.generation = list.Epoch, list.Generation
	wanted := make(map[string]bool, len(list.Environments))
	var order, unwanted, struckOff []*environment
	for _, spec := range list.Environments {
		wanted[spec.ID] = true
		e := (*a.byID.Load())[spec.ID]
		if e == nil {
			e = a.launch(spec)
		}
		e.assigned = true
		if spec.Draining {
			unwanted = append(unwanted, e)
		}
		order = append(order, e)
	}
	for _, e := range a.order {
		if wanted[e.spec.ID] {
			continue
		}
		e.assigned = false
		if e.ended() {
			continue // the server knows of its end and forgot it
		}
		struckOff = append(struckOff, e)
		order = append(order, e)
	}
	a.setOrder(order)
	a.mu.Unlock()
	for _, e := range unwanted {
		e.drain()
	}
	for _, e := range struckOff {
		e.kill() // the server drains first and strikes off what does not end in time
	}
	a.notify()
}

// stale says whether a list is older than the one applied.
func stale(list wire.Assignments, epoch, generation int64) bool {
	return list.Epoch < epoch || (list.Epoch == epoch && list.Generation < generation)
}

// settle drops an environment that ended without being assigned any more.
func (a *agent) settle(e *environment) {
	a.mu.Lock()
	if !e.assigned {
		a.setOrder(slices.DeleteFunc(slices.Clone(a.order), func(o *environment) bool { return o == e }))
	}
	a.mu.Unlock()
	a.notify()
}

// launch starts an environment; a.mu is held.
func (a *agent) launch(spec wire.EnvironmentSpec) *environment {
	e := newEnvironment(a, spec)
	ctx, kill := context.WithCancel(a.ctx)
	undrained, drain := context.WithCancel(ctx)
	e.kill, e.drain = kill, drain
	a.work.Go(func() error {
		e.run(ctx, undrained)
		return nil
	})
	return e
}

// listen opens the address where invocations arrive.
func listen(ctx context.Context, st wire.Start) (net.Listener, error) {
	addr := st.Listen
	if addr == "" {
		addr = "unix://" + socketPath(st)
	}
	network, where, err := wire.SplitAddr(addr)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		if err := os.RemoveAll(where); err != nil {
			return nil, fmt.Errorf("clear the way for the invoke socket: %w", err)
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, network, where)
	if err != nil {
		return nil, fmt.Errorf("listen for invocations: %w", err)
	}
	if network == "unix" {
		if err := os.Chmod(where, 0o600); err != nil {
			l.Close()
			return nil, fmt.Errorf("protect the invoke socket: %w", err)
		}
	}
	return l, nil
}

const (
	socketName = "s"
	maxSocket  = 100 // a socket's path has at most 103 bytes on darwin, 107 on Linux
)

// socketPath lies in the scratch folder, or in the temporary one where that path
// is too long for a socket.
func socketPath(st wire.Start) string {
	if p := filepath.Join(st.Dir, socketName); len(p) <= maxSocket {
		return p
	}
	return wire.FallbackSocket(st.InstanceID)
}

// address is what the router dials.
func address(l net.Listener) string { return l.Addr().Network() + "://" + l.Addr().String() }
