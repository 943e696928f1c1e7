// Package mem is the fleet driver whose instances live in this process: for
// tests and for the simulation. It is complete: its agents are goroutines that
// join, follow assignments, report, serve invocations and end as real ones do,
// over the same wire protocol. Only what a function does is made up, and faults
// come on demand.
//
// A World is what outlives servers; Open is what each server's start does. With a
// Network no socket is used, so that all of it runs in a testing/synctest bubble.
package mem

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Config says how a World behaves. Nil functions mean that nothing special happens.
type Config struct {
	Network *Network                        // nil: sockets of this host
	Launch  func(driver.Spec) Launch        // how a launch goes
	Init    func(wire.EnvironmentSpec) Init // how an environment starts
	// Handler is what functions do; nil: they answer with the event.
	Handler func(context.Context, *wire.Invoke) (wire.Result, []byte)
	// Observe is told of every environment's state, in order, its end with its
	// instance's included. It must not call the World.
	Observe func(lamina.Instance, wire.EnvironmentSpec, wire.EnvironmentStatus)
}

// Launch is how a launch goes; the zero value is well.
type Launch struct {
	After time.Duration // until it is under way or fails
	Err   error         // it fails
	Mute  bool          // its agent lives and never joins
	Ends  bool          // its agent ends before it joins
}

// Init is how an environment's start goes; the zero value is ready at once.
type Init struct {
	After     time.Duration
	Code      string // a state reason code: it fails
	ErrorType string
	Text      string
	Stuck     bool          // once ready it ignores that it shall drain: a stopped agent
	Lingers   time.Duration // once it has crashed, until its extensions have ended
}

// World holds instances, whichever server started them.
type World struct {
	cfg Config

	mu      sync.Mutex
	launch  int // number of the last handle
	agents  map[string]*agent
	remains map[string]string // handles of instances that ended unwatched, by id
	drivers map[*Driver]bool  // open ones
	cpu     float64           // what agents report, see Use
	machine float64
}

// NewWorld makes a world without instances.
func NewWorld(cfg Config) *World {
	if cfg.Launch == nil {
		cfg.Launch = func(driver.Spec) Launch { return Launch{} }
	}
	if cfg.Init == nil {
		cfg.Init = func(wire.EnvironmentSpec) Init { return Init{} }
	}
	if cfg.Handler == nil {
		cfg.Handler = func(_ context.Context, in *wire.Invoke) (wire.Result, []byte) {
			return wire.Result{Outcome: wire.OutcomeOK, ContentType: in.ContentType}, in.Body
		}
	}
	if cfg.Observe == nil {
		cfg.Observe = func(lamina.Instance, wire.EnvironmentSpec, wire.EnvironmentStatus) {}
	}
	return &World{cfg: cfg, agents: map[string]*agent{}, remains: map[string]string{}, drivers: map[*Driver]bool{}}
}

// IDs are the instances that live, sorted.
func (w *World) IDs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.agents))
}

// Kill ends an instance as SIGKILL does. It returns when nothing is left of it.
func (w *World) Kill(id string) {
	if a := w.agent(id); a != nil {
		a.kill()
		<-a.done
	}
}

// Quit has an instance end as SIGTERM does: its environments drain, of which it
// tells, and then it is gone.
func (w *World) Quit(id string) {
	if a := w.agent(id); a != nil {
		a.end(orphanGrace)
	}
}

// Sever ends the session of an instance's agent, which dials again.
func (w *World) Sever(id string) {
	if a := w.agent(id); a != nil {
		a.sever()
	}
}

// Freeze stops an instance's agent as SIGSTOP does: it keeps its session and says
// nothing until it is woken.
func (w *World) Freeze(id string, frozen bool) {
	if a := w.agent(id); a != nil {
		a.freeze(frozen)
	}
}

// Use has every agent report this use of its environments' shares and of the
// machine under it, 0..1 each.
func (w *World) Use(cpu, machine float64) {
	w.mu.Lock()
	w.cpu, w.machine = cpu, machine
	agents := slices.Collect(maps.Values(w.agents))
	w.mu.Unlock()
	for _, a := range agents {
		a.notify()
	}
}

func (w *World) use() (cpu, machine float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cpu, w.machine
}

// Crash ends an environment as the death of its runtime does.
func (w *World) Crash(id, environment string) {
	if a := w.agent(id); a != nil {
		a.crash(environment)
	}
}

func (w *World) agent(id string) *agent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.agents[id]
}

// dial reaches a server.
func (w *World) dial(ctx context.Context, addr string) (net.Conn, error) {
	if w.cfg.Network == nil {
		return wire.Dial(ctx, addr)
	}
	return w.cfg.Network.Dial(ctx, addr)
}

// listen opens the place where an agent's invocations arrive.
func (w *World) listen(id string) (net.Listener, string, error) {
	if w.cfg.Network != nil {
		addr := "unix:///" + id
		l, err := w.cfg.Network.Listen(addr)
		return l, addr, err
	}
	path := wire.FallbackSocket(id)
	l, err := net.Listen("unix", path)
	return l, "unix://" + path, err
}

// ended is an agent's last act.
func (w *World) ended(a *agent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.agents, a.id)
	watched := false
	for d := range w.drivers {
		if d.watched[a.id] {
			watched = true
			d.tellLocked(a.id)
		}
	}
	if !watched {
		w.remains[a.id] = a.handle
	}
}

// Driver is one server's way into a World.
type Driver struct {
	world *World
	gone  chan string
	wake  chan struct{}

	// Guarded by World.mu.
	watched map[string]bool
	untold  []string
}

var _ driver.Driver = (*Driver)(nil)

// Open makes the driver of a server that starts.
func (w *World) Open() *Driver {
	d := &Driver{world: w, gone: make(chan string), wake: make(chan struct{}, 1), watched: map[string]bool{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drivers[d] = true
	return d
}

func (d *Driver) tellLocked(id string) {
	d.untold = append(d.untold, id)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Launch implements driver.Driver.
func (d *Driver) Launch(ctx context.Context, spec driver.Spec) (string, error) {
	id, how := spec.Instance.ID, d.world.cfg.Launch(spec)
	select {
	case <-ctx.Done():
	case <-time.After(how.After):
	}
	if err := errors.Join(context.Cause(ctx), how.Err); err != nil {
		return "", fmt.Errorf("launch %s: %w", id, err)
	}
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if d.world.agents[id] != nil {
		return "", fmt.Errorf("launch %s: it exists already", id)
	}
	d.world.launch++
	a, err := newAgent(d.world, spec, fmt.Sprintf("mem:%d", d.world.launch), how)
	if err != nil {
		return "", fmt.Errorf("launch %s: %w", id, err)
	}
	d.world.agents[id], d.watched[id] = a, true
	a.start()
	return a.handle, nil
}

// Terminate implements driver.Driver.
func (d *Driver) Terminate(ctx context.Context, id, _ string) error {
	if a := d.world.agent(id); a != nil {
		a.kill()
		select {
		case <-a.done:
		case <-ctx.Done():
			return fmt.Errorf("terminate %s: %w", id, context.Cause(ctx))
		}
	}
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	delete(d.world.remains, id)
	return nil
}

// Alive implements driver.Driver.
func (d *Driver) Alive(_ context.Context, id, _ string) (bool, error) {
	return d.world.agent(id) != nil, nil
}

// Adopt implements driver.Driver.
func (d *Driver) Adopt(_ context.Context, id, _ string) error {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if d.watched[id] {
		return nil
	}
	d.watched[id] = true
	if d.world.agents[id] == nil {
		delete(d.world.remains, id)
		d.tellLocked(id)
	}
	return nil
}

// List implements driver.Driver.
func (d *Driver) List(ctx context.Context) ([]driver.Found, error) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	var found []driver.Found
	for id, a := range d.world.agents {
		found = append(found, driver.Found{ID: id, Handle: a.handle, Alive: true})
	}
	for id, handle := range d.world.remains {
		found = append(found, driver.Found{ID: id, Handle: handle})
	}
	return found, ctx.Err()
}

// Gone implements driver.Driver.
func (d *Driver) Gone() <-chan string { return d.gone }

// Run implements driver.Driver. After it the driver watches nothing any more.
func (d *Driver) Run(ctx context.Context) error {
	defer func() {
		d.world.mu.Lock()
		defer d.world.mu.Unlock()
		delete(d.world.drivers, d)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		}
		d.world.mu.Lock()
		untold := d.untold
		d.untold = nil
		d.world.mu.Unlock()
		for _, id := range untold {
			select {
			case <-ctx.Done():
				return nil
			case d.gone <- id:
			}
		}
	}
}
