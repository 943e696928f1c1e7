package mem

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/wire"
)

// As of the real agent.
const (
	redialPause   = 50 * time.Millisecond
	defaultOrphan = time.Minute
	drainGrace    = time.Second
	orphanGrace   = 30 * time.Second
)

// agent is one instance. It lives until it is killed or ends itself.
type agent struct {
	world  *World
	id     string
	handle string
	spec   driver.Spec
	how    Launch

	ctx   context.Context //nolint:containedctx // the instance's life
	kill  context.CancelFunc
	done  chan struct{} // nothing of it is left
	work  sync.WaitGroup
	news  chan struct{} // a report is due
	l     net.Listener
	where string

	mu         sync.Mutex
	ending     bool
	conn       *wire.Conn
	epoch      int64
	generation int64
	envs       []*environment
	frozen     bool        // says nothing, but keeps its session
	alone      *time.Timer // ends an agent that no server wants
}

func newAgent(w *World, spec driver.Spec, handle string, how Launch) (*agent, error) {
	if spec.Orphan <= 0 {
		spec.Orphan = defaultOrphan
	}
	a := &agent{
		world: w, id: spec.Instance.ID, handle: handle, spec: spec, how: how,
		done: make(chan struct{}), news: make(chan struct{}, 1),
	}
	var err error
	if a.l, a.where, err = w.listen(a.id); err != nil {
		return nil, err
	}
	a.ctx, a.kill = context.WithCancel(context.Background())
	return a, nil
}

// start lets the agent live; the World's lock is held.
func (a *agent) start() {
	a.alone = time.AfterFunc(a.spec.Orphan, func() { a.end(orphanGrace) })
	go func() { // ends with the instance, for which Terminate and Kill wait
		defer close(a.done)
		defer a.world.ended(a)
		defer a.alone.Stop()
		defer a.kill()
		a.work.Go(a.serve)
		if !a.how.Ends {
			a.work.Go(a.report)
			a.follow()
		}
		a.kill()
		a.l.Close()
		a.mu.Lock()
		a.ending = true
		a.mu.Unlock()
		a.work.Wait()
	}()
}

// follow keeps a session with a server until the instance ends.
func (a *agent) follow() {
	if a.how.Mute {
		<-a.ctx.Done()
	}
	for a.ctx.Err() == nil {
		if err := a.session(); errors.Is(err, errRefused) {
			return
		}
		select {
		case <-time.After(redialPause):
		case <-a.ctx.Done():
		}
	}
}

var errRefused = errors.New("refused by the server")

func (a *agent) session() error {
	raw, err := a.world.dial(a.ctx, a.spec.ServerAddr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(a.ctx, func() { raw.Close() })
	defer stop()
	conn := wire.NewConn(raw)
	defer conn.Close()
	if err := a.join(conn); err != nil {
		return err
	}
	a.connected(conn)
	defer a.connected(nil)
	for {
		kind, body, err := conn.Receive()
		if err != nil {
			return err
		}
		if err := a.heed(kind, body); err != nil {
			return err
		}
	}
}

func (a *agent) join(conn *wire.Conn) error {
	hello := wire.Hello{Protocol: wire.ProtocolVersion, InstanceID: a.id, Token: a.spec.Instance.Token, InvokeAddr: a.where}
	a.mu.Lock()
	hello.Epoch = a.epoch
	for _, e := range a.envs {
		s := e.status
		s.Spec = new(e.spec)
		hello.Environments = append(hello.Environments, s)
	}
	a.mu.Unlock()
	if err := conn.Send(wire.KindHello, hello); err != nil {
		return err
	}
	kind, body, err := conn.Receive()
	if err != nil {
		return err
	}
	welcome, err := wire.Decode[wire.Welcome](body)
	switch {
	case err != nil:
		return err
	case kind != wire.KindWelcome:
		return fmt.Errorf("frame of kind %d before the welcome", kind)
	case welcome.Refused != "":
		return errRefused
	}
	return nil
}

// connected notes the session, nil for none.
func (a *agent) connected(conn *wire.Conn) {
	a.mu.Lock()
	a.conn = conn
	a.mu.Unlock()
	if conn == nil {
		a.alone.Reset(a.spec.Orphan)
		return
	}
	a.alone.Stop()
	a.notify()
}

func (a *agent) sever() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		a.conn.Close()
	}
}

func (a *agent) heed(kind wire.Kind, body []byte) error {
	switch kind {
	case wire.KindAssignments:
		list, err := wire.Decode[wire.Assignments](body)
		if err != nil {
			return err
		}
		a.apply(list)
	case wire.KindShutdown:
		order, err := wire.Decode[wire.Shutdown](body)
		if err != nil {
			return err
		}
		a.end(order.Grace)
	default:
		return fmt.Errorf("unexpected frame of kind %d", kind)
	}
	return nil
}

// apply makes what runs match the list, unless it is older than the last one.
func (a *agent) apply(list wire.Assignments) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending || list.Epoch < a.epoch || (list.Epoch == a.epoch && list.Generation < a.generation) {
		return
	}
	a.epoch, a.generation = list.Epoch, list.Generation
	wanted := map[string]bool{}
	for _, spec := range list.Environments {
		wanted[spec.ID] = true
		e := a.find(spec.ID)
		if e == nil {
			e = a.launch(spec)
		}
		if spec.Draining {
			e.spec.Draining = true
			e.drain()
		}
	}
	a.envs = slices.DeleteFunc(a.envs, func(e *environment) bool {
		if wanted[e.spec.ID] {
			return false
		}
		e.kill()
		e.forgotten = e.status.State != wire.EnvironmentEnded
		return !e.forgotten
	})
	a.notify()
}

// find gives an environment; a.mu is held.
func (a *agent) find(id string) *environment {
	for _, e := range a.envs {
		if e.spec.ID == id {
			return e
		}
	}
	return nil
}

// end lets environments drain within grace, and then the instance is gone.
func (a *agent) end(grace time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending {
		return
	}
	a.ending = true
	envs := slices.Clone(a.envs)
	a.work.Go(func() {
		defer a.kill()
		limit := time.After(grace)
		for _, e := range envs {
			e.drain()
		}
		for _, e := range envs {
			select {
			case <-e.done:
			case <-limit:
				return
			case <-a.ctx.Done():
				return
			}
		}
	})
}

func (a *agent) crash(environment string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.find(environment); e != nil {
		select {
		case e.crashed <- struct{}{}:
		default:
		}
	}
}

func (a *agent) notify() {
	select {
	case a.news <- struct{}{}:
	default:
	}
}

// report tells the server of each change, and else that the agent is alive.
func (a *agent) report() {
	alive := time.NewTicker(wire.Heartbeat)
	defer alive.Stop()
	for {
		select {
		case <-a.news:
			a.tell(wire.KindReport)
		case <-alive.C:
			a.tell(wire.KindAlive)
		case <-a.ctx.Done():
			return
		}
	}
}

func (a *agent) tell(kind wire.Kind) {
	var msg any = wire.Alive{}
	cpu, machine := a.world.use()
	a.mu.Lock()
	conn, frozen := a.conn, a.frozen
	if kind == wire.KindReport {
		r := wire.Report{Epoch: a.epoch, Generation: a.generation, HostCPU: machine}
		for _, e := range a.envs {
			status := e.status
			status.CPU = cpu
			r.Environments = append(r.Environments, status)
		}
		msg = r
	}
	a.mu.Unlock()
	if conn != nil && !frozen && conn.Send(kind, msg) != nil {
		conn.Close() // the next Hello says all anew
	}
}

// freeze makes the agent say nothing, as one that is stopped does, or wakes it.
func (a *agent) freeze(frozen bool) {
	a.mu.Lock()
	a.frozen = frozen
	a.mu.Unlock()
	a.notify()
}
