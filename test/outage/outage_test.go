// Package outage checks that known routes keep serving while the control plane
// is away (DESIGN.md 5): the store stands still, the controller is stopped, the
// router lives.
package outage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina"
	apilambda "github.com/lamina-dev/lamina/internal/api/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/controller"
	"github.com/lamina-dev/lamina/internal/fleet"
	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/router"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scope = lamina.Scope{Account: "000000000000", Region: "us-east-1"}

// stallable is a store that answers nothing while it is stalled.
type stallable struct {
	store.Store
	mu      sync.Mutex
	stalled chan struct{} // closed when it goes on; nil: it goes
}

func (s *stallable) stall() (goOn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stalled := make(chan struct{})
	s.stalled = stalled
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stalled = nil
		close(stalled)
	})
}

func (s *stallable) wait(ctx context.Context) error {
	s.mu.Lock()
	stalled := s.stalled
	s.mu.Unlock()
	if stalled == nil {
		return nil
	}
	select {
	case <-stalled:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *stallable) Get(ctx context.Context, key string) (store.KV, error) {
	if err := s.wait(ctx); err != nil {
		return store.KV{}, err
	}
	return s.Store.Get(ctx, key)
}

func (s *stallable) List(ctx context.Context, prefix string) ([]store.KV, int64, error) {
	if err := s.wait(ctx); err != nil {
		return nil, 0, err
	}
	return s.Store.List(ctx, prefix)
}

func (s *stallable) Commit(ctx context.Context, b store.Batch) (int64, error) {
	if err := s.wait(ctx); err != nil {
		return 0, err
	}
	return s.Store.Commit(ctx, b)
}

// region is the control plane and the invoke path, with instances of the mem driver.
type region struct {
	*testing.T
	store          *stallable
	view           *view.View
	lambda         tables.Lambda
	world          *drivermem.World
	router         *router.Router
	stopController func()
	url            string
}

type permissive struct{}

func (permissive) MayLaunch(context.Context, string) error { return nil }

func (permissive) ForEnvironment(lamina.Scope, string, string) (wire.Credentials, error) {
	return wire.Credentials{}, nil
}

func newRegion(t *testing.T) *region {
	v := view.New()
	r := &region{
		T: t, store: &stallable{Store: mem.New()}, view: v, lambda: tables.NewLambda(v),
		world: drivermem.NewWorld(drivermem.Config{}), router: router.New(),
	}
	rows, ec2 := tables.NewFleet(v), tables.NewEC2(v)
	if err := v.Open(t.Context(), r.store); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	f := fleet.New(fleet.Config{
		View: v, Tables: rows, Providers: r.lambda.Providers, Subnets: ec2.Subnets, Groups: ec2.Groups, Interfaces: ec2.Interfaces,
		NewInterface: func(s lamina.Subnet, used []lamina.NetworkInterface) (lamina.NetworkInterface, bool) {
			return lamina.NetworkInterface{Scope: s.Scope, ID: network.NewID("eni"), SubnetID: s.ID, PrivateIP: fmt.Sprintf("10.0.0.%d", 4+len(used))}, true
		},
		Driver: r.world.Open(), ServerAddr: "unix://" + path, Clock: time.Now, Log: log,
	})
	c := controller.New(controller.Config{
		View: v, Lambda: r.lambda, Subnets: ec2.Subnets, Interfaces: ec2.Interfaces, Allocations: rows.Allocations,
		Fleet: f, Routes: r.router, Roles: permissive{}, Credentials: permissive{},
		Offers: func(lamina.CapacityProvider) []scheduler.Offer {
			return []scheduler.Offer{{Type: "m5.large", VCPUs: 2, MemoryMiB: 8192}}
		},
		FreeAddresses: func(lamina.Subnet, int) int { return 100 },
		NewInstanceID: func() string { return network.NewID("i") }, Clock: time.Now, Log: log,
	})
	r.serve()
	stopRest := r.run(func(ctx context.Context) error { return f.Run(ctx, l) }, v.Run)
	r.stopController = r.run(c.Run)
	t.Cleanup(func() {
		r.stopController()
		r.router.Drain(context.Background())
		stopRest()
		for _, id := range r.world.IDs() {
			r.world.Kill(id)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		r.store.Close()
	})
	r.publish(ec2)
	return r
}

// run starts parts and gives what stops them.
func (r *region) run(parts ...func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, part := range parts {
		running.Go(func() {
			if err := part(ctx); err != nil {
				r.Error(err)
			}
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
}

// serve opens the front door, where nobody is asked who he is.
func (r *region) serve() {
	mux := awsproto.NewMux(awsproto.Config{
		Authenticate: func(req *http.Request) (awsproto.Proof, error) {
			return func([]byte) (context.Context, error) {
				return lamina.WithCaller(req.Context(), lamina.Caller{Scope: scope, ARN: "arn:aws:iam::000000000000:root"}), nil
			}, nil
		},
		WithRequestID: lamina.WithRequestID,
	})
	apilambda.New(apilambda.Config{View: r.view, Tables: r.lambda, Invoker: r.router}).Register(mux)
	web := httptest.NewServer(mux)
	r.Cleanup(web.Close)
	r.url = web.URL + "/2015-03-31/functions/f/invocations"
}

// publish brings one function to Active.
func (r *region) publish(ec2 tables.EC2) {
	subnet := lamina.Subnet{Scope: scope, ID: "subnet-1", Zone: "us-east-1a", CIDR: "10.0.0.0/24"}
	p := lamina.CapacityProvider{Scope: scope, Name: "p", SubnetIDs: []string{subnet.ID}}
	config := lamina.FunctionConfig{
		MemoryMB: 2048, TimeoutSec: 3, Architecture: "x86_64",
		Capacity: &lamina.FunctionCapacity{ProviderARN: p.ARN(), MaxConcurrency: 16, GiBPerVCPU: 2},
	}
	fn := lamina.Function{Scope: scope, Name: "f", Config: config}
	version := lamina.Version{Scope: scope, Function: "f", Qualifier: lamina.LatestPublished, Config: config, Incarnation: "first", Generation: 1, LastModified: time.Now()}
	_, err := r.view.Update(r.Context(), func(tx *view.Tx) error {
		return tx.Do(ec2.Subnets.Put(subnet.Key(), subnet), r.lambda.Providers.Put(p.Key(), p),
			r.lambda.Functions.Put(fn.Key(), fn), r.lambda.Versions.Put(version.Key(), version))
	})
	if err != nil {
		r.Fatal(err)
	}
	nudges, cancel := r.view.Subscribe(r.lambda.VersionStatus.Prefix())
	defer cancel()
	limit := time.After(30 * time.Second)
	for {
		if st, _ := r.lambda.VersionStatus.Get(version.Key()); st.Value.State == lamina.StateActive {
			return
		}
		select {
		case <-nudges:
		case <-limit:
			r.Fatal("the function is not Active after 30 s")
		}
	}
}

// invoke calls the function through the front door, with an event of its own.
func (r *region) invoke(n int) error {
	want := fmt.Sprintf(`{"n":%d}`, n)
	res, err := http.Post(r.url, "application/json", bytes.NewReader([]byte(want)))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || string(got) != want {
		return fmt.Errorf("call %d: %s, %q, %w", n, res.Status, got, err)
	}
	return nil
}

// invokeMany calls from several clients at once.
func (r *region) invokeMany() {
	r.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for n := range 25 {
				if err := r.invoke(1000*client + n); err != nil {
					r.Error(err)
				}
			}
		})
	}
	clients.Wait()
}

// wantStalled proves that the store answers nothing.
func (r *region) wantStalled() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := r.view.Update(ctx, func(tx *view.Tx) error {
		return tx.Do(r.lambda.Functions.Put("x", lamina.Function{}))
	})
	if err == nil {
		r.Fatal("the store takes commits")
	}
}

func TestKnownRoutesServeWithoutStoreAndController(t *testing.T) {
	r := newRegion(t)
	r.invokeMany()
	goOn := r.store.stall()
	defer goOn()
	r.stopController()
	r.wantStalled()
	r.invokeMany()
	r.world.Kill(r.world.IDs()[0]) // its route stays, and leads nowhere
	r.invokeMany()
	r.wantStalled()
}

func TestAStalledStoreDoesNotKeepDeadRoutes(t *testing.T) {
	r := newRegion(t)
	goOn := r.store.stall()
	defer goOn()
	r.world.Kill(r.world.IDs()[0])
	version := lamina.VersionKey(scope, "f", lamina.LatestPublished)
	limit := time.Now().Add(30 * time.Second)
	for len(r.router.Load(version).Environments) != 2 {
		if time.Now().After(limit) {
			t.Fatal("the dead environment's route stays")
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.wantStalled()
	r.invokeMany()
	goOn()
	for len(r.router.Load(version).Environments) != 3 {
		if time.Now().After(limit) {
			t.Fatal("the dead environment is not replaced once the store goes on")
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.invokeMany()
}
