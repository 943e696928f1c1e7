package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serverAddr = "unix:///server"

var scope = lamina.Scope{Account: "000000000000", Region: "us-east-1"}

// place is what outlives a server: the store and the instances.
type place struct {
	*testing.T
	store   store.Store
	network *drivermem.Network
	world   *drivermem.World
	paused  atomic.Int64 // nanoseconds: how far the clock is ahead of the timers: for so long the server did not run, or the clock was put back
	*server
}

// server is one start of a fleet with its view.
type server struct {
	view       *view.View
	rows       tables.Fleet
	providers  *view.Table[lamina.CapacityProvider]
	subnets    *view.Table[lamina.Subnet]
	interfaces *view.Table[lamina.NetworkInterface]
	fleet      *fleet.Fleet
	journal    *journal
	stop       func()
}

// journal collects what providers' system logs get.
type journal struct {
	mu    sync.Mutex
	lines []string // group: message
}

// Ingest implements fleet.LogSink.
func (j *journal) Ingest(_ lamina.Scope, group, _ string, events []wire.LogEvent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range events {
		j.lines = append(j.lines, group+": "+e.Message)
	}
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// inBubble runs a test in virtual time, with a fleet of one provider "p" with a
// cap of 8 vCPUs and one subnet.
func inBubble(t *testing.T, cfg drivermem.Config, test func(p *place)) {
	synctest.Test(t, func(t *testing.T) {
		cfg.Network = drivermem.NewNetwork()
		st := mem.New()
		p := &place{T: t, store: st, network: cfg.Network, world: drivermem.NewWorld(cfg)}
		p.start()
		p.must(p.view.Update(t.Context(), func(tx *view.Tx) error {
			subnet := lamina.Subnet{Scope: scope, ID: "subnet-1", VPCID: "vpc-1", Zone: "us-east-1a", CIDR: "10.0.0.0/24"}
			return tx.Do(p.providers.Put(provider(8).Key(), provider(8)), p.subnets.Put(subnet.Key(), subnet))
		}))
		defer func() {
			p.stop()
			for _, id := range p.world.IDs() {
				p.world.Kill(id)
			}
			st.Close()
		}()
		test(p)
	})
}

func provider(vcpus int32) lamina.CapacityProvider {
	return lamina.CapacityProvider{Scope: scope, Name: "p", Scaling: &lamina.ProviderScaling{MaxVCPU: vcpus}}
}

func (p *place) must(_ int64, err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// start opens a view and a fleet over the place, as a server's start does.
func (p *place) start() {
	p.Helper()
	v := view.New()
	s := &server{view: v, rows: tables.NewFleet(v), journal: &journal{}}
	lambda, ec2 := tables.NewLambda(v), tables.NewEC2(v)
	s.providers, s.subnets, s.interfaces = lambda.Providers, ec2.Subnets, ec2.Interfaces
	if err := v.Open(p.Context(), p.store); err != nil {
		p.Fatal(err)
	}
	l, err := p.network.Listen(serverAddr)
	if err != nil {
		p.Fatal(err)
	}
	s.fleet = fleet.New(fleet.Config{
		View: v, Tables: s.rows, Providers: s.providers, Subnets: s.subnets, Groups: ec2.Groups, Interfaces: s.interfaces, NewInterface: network.NewInterface,
		Driver: p.world.Open(), ServerAddr: serverAddr, Packages: packages{}, Clock: p.now,
		Logs: s.journal, MayLog: func(role string, _ lamina.Scope, _ string) bool { return role != "mute" },
		Log: slog.New(slog.NewTextHandler(p.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.fleet.Run(ctx, &entrance{Listener: l, T: p.T, known: s.fleet.Known()}); err != nil {
			p.Errorf("fleet: %v", err)
		}
	})
	running.Go(func() {
		if err := v.Run(ctx); err != nil {
			p.Errorf("view: %v", err)
		}
	})
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := v.Close(); err != nil {
			p.Errorf("close the view: %v", err)
		}
	})
	p.server = s
	<-s.fleet.Known()
}

// entrance is a listener that looks whether agents are let in too early, and
// whose process has no free descriptor at first.
type entrance struct {
	net.Listener
	*testing.T
	known   <-chan struct{}
	refused int
}

// Accept implements net.Listener.
func (e *entrance) Accept() (net.Conn, error) {
	select {
	case <-e.known:
	default:
		e.Error("agents are let in before the recorded instances are known")
	}
	if e.refused++; e.refused <= 2 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return e.Listener.Accept()
}

func (p *place) now() time.Time { return time.Now().Add(time.Duration(p.paused.Load())) }

// packages has one package, of three and a half chunks.
type packages struct{}

const packageSize = 7 << 19

func (packages) Package(sha string) (io.ReadCloser, error) {
	if sha != "known" {
		return nil, fmt.Errorf("no package %s", sha)
	}
	return io.NopCloser(io.LimitReader(zeros{}, packageSize)), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// launch starts instance n of two vCPUs.
func (p *place) launch(n int) (id string, err error) {
	id = fmt.Sprintf("i-%d", n)
	err = p.fleet.Launch(p.Context(), provider(8), lamina.Instance{
		Scope: scope, ID: id, Provider: "p", Type: "m5.large", VCPUs: 2, MemoryMiB: 8192, Zone: "us-east-1a", SubnetID: "subnet-1",
	})
	return id, err
}

// running launches an instance and lets it join.
func (p *place) running(n int) string {
	p.Helper()
	id, err := p.launch(n)
	if err != nil {
		p.Fatal(err)
	}
	p.after(time.Second)
	if m := p.fleet.Members()[id]; !m.Joined {
		p.Fatalf("instance %s is %+v", id, m)
	}
	return id
}

// after lets virtual time pass until all is quiet.
func (p *place) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (p *place) record(id string) lamina.Instance {
	p.Helper()
	row, ok := p.rows.Instances.Get(lamina.Key(scope.Account, scope.Region, id))
	if !ok {
		p.Fatalf("instance %s has no record", id)
	}
	return row.Value
}

// wantHeld checks how many vCPUs and addresses are taken.
func (p *place) wantHeld(vcpus int32, addresses int) {
	p.Helper()
	alloc, _ := p.rows.Allocations.Get(provider(8).Key())
	if alloc.Value.VCPUs != vcpus || p.interfaces.Len() != addresses {
		p.Errorf("%d vCPUs and %d addresses are held, want %d and %d", alloc.Value.VCPUs, p.interfaces.Len(), vcpus, addresses)
	}
}

// wantEnded checks that an instance is gone with all it held.
func (p *place) wantEnded(id string) {
	p.Helper()
	if inst := p.record(id); !inst.Ended() || inst.EndedAt.IsZero() || inst.Reason == "" {
		p.Errorf("the record of %s says %+v", id, inst)
	}
	if m, ok := p.fleet.Members()[id]; ok {
		p.Errorf("%s still counts: %+v", id, m)
	}
	if alive, err := p.world.Open().Alive(p.Context(), id, ""); err != nil || alive {
		p.Errorf("%s lives: %v, %v", id, alive, err)
	}
}

func environment(id string) wire.EnvironmentSpec {
	return wire.EnvironmentSpec{ID: id, VersionKey: "v", Incarnation: "first", Generation: 1, Slots: 4, Timeout: 3 * time.Second}
}

// dialAs says Hello as an agent would, with a wrong word in it if change makes one.
func (p *place) dialAs(inst lamina.Instance, change func(*wire.Hello)) (*wire.Conn, wire.Welcome) {
	p.Helper()
	raw, err := p.network.Dial(p.Context(), serverAddr)
	if err != nil {
		p.Fatal(err)
	}
	conn := wire.NewConn(raw)
	hello := wire.Hello{Protocol: wire.ProtocolVersion, InstanceID: inst.ID, Token: inst.Token, InvokeAddr: "unix:///nowhere"}
	if change != nil {
		change(&hello)
	}
	err = conn.Send(wire.KindHello, hello)
	kind, body, err2 := conn.Receive()
	welcome, err3 := wire.Decode[wire.Welcome](body)
	if err := errors.Join(err, err2, err3); err != nil || kind != wire.KindWelcome {
		p.Fatalf("no welcome: kind %d, %v", kind, err)
	}
	return conn, welcome
}
