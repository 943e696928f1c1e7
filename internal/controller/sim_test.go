package controller

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/sqlite"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run only this seed of TestRandomSequences")
	simSeeds = flag.Uint64("sim.seeds", 220, "how many seeds TestRandomSequences runs")
	simFirst = flag.Uint64("sim.first", 1, "the first of them")
)

// everySQLite is how often a seed's store is SQLite instead of memory.
const everySQLite = 8

// TestRandomSequences lets a region live through a random sequence of publishes,
// deletions, kills, lost sessions, restarts, failing launches, slow commits and
// changes of caps, in virtual time, with the real store, view, fleet and
// controller. What must hold is checked with each commit, each installed route
// and each state of an environment, and again when all is quiet.
func TestRandomSequences(t *testing.T) {
	first, last := *simFirst, *simFirst+*simSeeds-1
	if *simSeed != 0 {
		first, last = *simSeed, *simSeed
	}
	for seed := first; seed <= last; seed++ {
		kind := "mem"
		if seed%everySQLite == 0 {
			kind = "sqlite"
		}
		t.Run(fmt.Sprintf("%s-%d", kind, seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				w := newRegion(t, seed, kind, dir)
				defer w.close()
				w.live()
			})
			if t.Failed() {
				// What happens at one moment comes in any order, so that a seed's failure may need a few runs.
				t.Logf("again: go test ./internal/controller -run TestRandomSequences -sim.seed=%d -count=20", seed)
			}
		})
	}
}

const serverAddr = "unix:///server"

var scope = lamina.Scope{Account: "000000000000", Region: "us-east-1"}

var zones = []string{"us-east-1a", "us-east-1b", "us-east-1c"}

// region is all that outlives a server, and the faults that plague it.
type region struct {
	*testing.T
	rng     *rand.Rand // of the sequence, for one goroutine
	inner   store.Store
	store   *laggard
	network *drivermem.Network
	world   *drivermem.World
	check   *checker
	*server

	instances atomic.Int64  // launched so far
	age       time.Duration // of the next start's Config: instances, environments
	envAge    time.Duration
	aging     bool // either may be of a start since the last calm

	mu        sync.Mutex
	faults    *rand.Rand                  // of what happens on the way
	launch    map[string]drivermem.Launch // what becomes of launches, by zone
	refuse    string                      // an instance type that is not to be had
	offers    []scheduler.Offer           // what may be launched
	init      drivermem.Init              // of handlers called "broken"
	initAfter time.Duration               // more that environments take to be ready
	stuck     int                         // percentage of environments that ignore that they shall drain
	lingering int                         // percentage of environments that take two seconds to be gone once they crash
	badRole   atomic.Bool
	said      []string // the sequence, for who reads a failure
}

// server is one start: a view, a fleet, a controller.
type server struct {
	view       *view.View
	lambda     tables.Lambda
	rows       tables.Fleet
	ec2        tables.EC2
	fleet      *fleet.Fleet
	controller *Controller
	routes     *routes
	stop       func()
}

func newRegion(t *testing.T, seed uint64, kind, dir string) *region {
	w := &region{
		T: t, rng: rand.New(rand.NewPCG(seed, 1)), faults: rand.New(rand.NewPCG(seed, 2)),
		network: drivermem.NewNetwork(), launch: map[string]drivermem.Launch{},
		offers: []scheduler.Offer{{Type: "c6a.large", VCPUs: 2, MemoryMiB: 4096}, {Type: "m5.large", VCPUs: 2, MemoryMiB: 8192}, {Type: "c6a.xlarge", VCPUs: 4, MemoryMiB: 8192}},
		init:   drivermem.Init{After: time.Second, Code: lamina.ReasonRuntimeInit, Text: "No module named 'x'"},
	}
	w.inner = mem.New()
	if kind == "sqlite" {
		var err error
		if w.inner, err = sqlite.Open(t.Context(), filepath.Join(dir, "store")); err != nil {
			t.Fatal(err)
		}
	}
	w.store = &laggard{Store: w.inner}
	w.check = newChecker(t, w.store)
	w.world = drivermem.NewWorld(drivermem.Config{
		Network: w.network, Launch: w.launched, Init: w.started, Observe: w.check.observe,
	})
	w.start()
	return w
}

// launched is what becomes of a launch.
func (w *region) launched(spec driver.Spec) drivermem.Launch {
	w.mu.Lock()
	defer w.mu.Unlock()
	how := w.launch[spec.Instance.Zone]
	if spec.Instance.Type == w.refuse {
		how.Err = lamina.Errorf(lamina.ReasonInsufficient, "no %s", w.refuse)
	}
	if how == (drivermem.Launch{}) {
		how.After = time.Duration(w.faults.IntN(400)) * time.Millisecond
	}
	return how
}

// started is what becomes of an environment. Handlers say it.
func (w *region) started(spec wire.EnvironmentSpec) drivermem.Init {
	w.mu.Lock()
	defer w.mu.Unlock()
	how := drivermem.Init{After: w.initAfter + time.Duration(w.faults.IntN(1500))*time.Millisecond, Stuck: w.faults.IntN(100) < w.stuck}
	if w.faults.IntN(100) < w.lingering {
		how.Lingers = 2 * time.Second
	}
	if spec.Handler == "broken" {
		how = w.init
	}
	return how
}

// close ends what is left, so that the bubble can end.
func (w *region) close() {
	w.stop()
	for _, id := range w.world.IDs() {
		w.world.Kill(id)
	}
	w.check.stop()
	if err := w.inner.Close(); err != nil {
		w.Error(err)
	}
	if w.Failed() {
		w.Logf("what happened:\n%s", strings.Join(w.said, "\n"))
	}
}

func (w *region) say(format string, args ...any) {
	w.said = append(w.said, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// start is a server's start over what is there.
func (w *region) start() {
	w.Helper()
	v := view.New()
	s := &server{view: v, lambda: tables.NewLambda(v), rows: tables.NewFleet(v), ec2: tables.NewEC2(v)}
	if err := v.Open(w.Context(), w.store); err != nil {
		w.Fatal(err)
	}
	l, err := w.network.Listen(serverAddr)
	if err != nil {
		w.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.Output(), nil))
	s.routes = newRoutes(w.check, s.lambda)
	s.fleet = fleet.New(fleet.Config{
		View: v, Tables: s.rows, Providers: s.lambda.Providers, Subnets: s.ec2.Subnets, Groups: s.ec2.Groups, Interfaces: s.ec2.Interfaces, NewInterface: network.NewInterface,
		Driver: w.world.Open(), ServerAddr: serverAddr, Clock: time.Now, Log: log,
	})
	s.controller = New(Config{
		View: v, Lambda: s.lambda, Subnets: s.ec2.Subnets, Interfaces: s.ec2.Interfaces, Allocations: s.rows.Allocations,
		InstanceAge: w.age, EnvironmentAge: w.envAge,
		Fleet: s.fleet, Routes: s.routes, Roles: roles{&w.badRole}, Credentials: noCredentials{},
		Offers:        func(lamina.CapacityProvider) []scheduler.Offer { return w.offers },
		FreeAddresses: func(s lamina.Subnet, used int) int { return network.Size(netip.MustParsePrefix(s.CIDR)) - used },
		NewInstanceID: func() string { return fmt.Sprintf("i-%d", w.instances.Add(1)) }, Clock: time.Now, Log: log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for what, run := range map[string]func() error{
		"fleet":      func() error { return s.fleet.Run(ctx, l) },
		"controller": func() error { return s.controller.Run(ctx) },
		"view":       func() error { return v.Run(ctx) },
	} {
		running.Go(func() {
			if err := run(); err != nil {
				w.Errorf("%s: %v", what, err)
			}
		})
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := v.Close(); err != nil {
			w.Errorf("close the view: %v", err)
		}
	})
	w.server = s
}

type roles struct{ bad *atomic.Bool }

func (r roles) MayLaunch(context.Context, string) error {
	if r.bad.Load() {
		return lamina.Errorf(lamina.CodeAccessDenied, "no")
	}
	return nil
}

type noCredentials struct{}

func (noCredentials) ForEnvironment(lamina.Scope, string, string) (wire.Credentials, error) {
	return wire.Credentials{}, nil
}

// laggard answers commits late; they happen at once all the same, also when
// nobody waits for the answer any more.
type laggard struct {
	store.Store
	lag atomic.Int64 // nanoseconds
}

func (l *laggard) Commit(ctx context.Context, b store.Batch) (int64, error) {
	rev, err := l.Store.Commit(ctx, b)
	lag := time.Duration(l.lag.Load())
	if lag == 0 {
		return rev, err
	}
	select {
	case <-time.After(lag):
		return rev, err
	case <-ctx.Done():
		return 0, fmt.Errorf("no answer to the commit yet: %w", context.Cause(ctx))
	}
}

// live is the sequence.
func (w *region) live() {
	w.mu.Lock()
	w.stuck, w.lingering = 5, 30
	w.mu.Unlock()
	w.furnish()
	for range 3 {
		for range 12 {
			w.step()
			w.wait()
		}
		w.calm()
		w.check.quiet(w)
	}
	w.deleteAll()
	w.check.nothingLeft(w)
}

// wait lets some time pass: often less than anything takes.
func (w *region) wait() {
	pauses := []time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 12 * time.Second}
	time.Sleep(pauses[w.rng.IntN(len(pauses))])
}

// calm ends the faults and lets the region settle.
func (w *region) calm() {
	w.mu.Lock()
	clear(w.launch)
	w.mu.Unlock()
	w.badRole.Store(false)
	w.store.lag.Store(0)
	w.routes.setLoad(0)
	w.say("calm")
	if w.aging { // for ages nothing is ever quiet
		w.age, w.envAge, w.aging = 0, 0, false
		w.stop()
		w.start()
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
}

func (w *region) step() {
	steps := []struct {
		weight int
		do     func()
	}{
		{6, w.publish}, {3, w.kill}, {3, w.sever}, {2, w.crash}, {3, w.restart}, {1, w.shutdown}, {2, w.recap}, {2, w.rescale},
		{2, w.deleteFunction}, {1, w.deleteVersion}, {1, w.deleteProvider}, {2, w.failLaunches}, {1, w.slowCommits}, {1, w.changeRole}, {2, w.ask}, {2, w.load}, {1, w.ages},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := w.rng.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			s.do()
			return
		}
	}
}

// some picks one, or the zero value of none.
func some[T any](w *region, list []T) (one T, ok bool) {
	if len(list) == 0 {
		return one, false
	}
	return list[w.rng.IntN(len(list))], true
}

func (w *region) kill() {
	if id, ok := some(w, w.world.IDs()); ok {
		w.say("kill %s", id)
		w.world.Kill(id)
	}
}

func (w *region) sever() {
	if id, ok := some(w, w.world.IDs()); ok {
		w.say("sever %s", id)
		w.world.Sever(id)
	}
}

func (w *region) crash() {
	if e, ok := some(w, w.check.ready()); ok {
		w.say("crash %s on %s", e.spec.ID, e.instance.ID)
		w.world.Crash(e.instance.ID, e.spec.ID)
	}
}

// restart is kill -9 of the server and its next start, with a death in between at times.
func (w *region) restart() {
	w.say("restart")
	w.stop()
	if w.rng.IntN(2) == 0 {
		w.wait()
		w.kill()
	}
	w.start()
}

// shutdown is SIGTERM, after which nothing runs, and the next start.
func (w *region) shutdown() {
	w.say("shut down")
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	if err := w.fleet.Shutdown(ctx, 2*time.Second); err != nil {
		w.Errorf("shutdown: %v", err)
	}
	if left := w.world.IDs(); len(left) > 0 {
		w.Errorf("left after the shutdown: %v", left)
	}
	w.stop()
	w.start()
}

func (w *region) failLaunches() {
	hows := []drivermem.Launch{
		{}, {}, {Err: lamina.Errorf(lamina.ReasonInsufficient, "no capacity in this zone")}, {Mute: true}, {Ends: true},
		{After: time.Hour}, {After: 3 * time.Second},
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	zone, how := zones[w.rng.IntN(len(zones))], hows[w.rng.IntN(len(hows))]
	w.say("launches in %s: %+v", zone, how)
	w.launch[zone] = how
	if w.rng.IntN(4) == 0 {
		w.say("and everywhere")
		for _, z := range zones {
			w.launch[z] = how
		}
	}
}

func (w *region) slowCommits() {
	lags := []time.Duration{0, 5 * time.Millisecond, 200 * time.Millisecond, 4 * time.Second, time.Minute}
	lag := lags[w.rng.IntN(len(lags))]
	w.say("commits take %v", lag)
	w.check.slow.Store(true)
	w.store.lag.Store(int64(lag))
}

func (w *region) changeRole() {
	bad := !w.badRole.Load()
	w.say("bad role: %v", bad)
	w.badRole.Store(bad)
}

// ask is a request to an ordinary function.
func (w *region) ask() {
	for _, row := range w.lambda.Versions.List("") {
		if row.Value.Config.Capacity == nil {
			w.say("ask %s", row.Value.ARN())
			w.routes.ask(row.Key)
		}
	}
}

// ages has the next start replace what is that old.
func (w *region) ages() {
	w.age, w.envAge = time.Duration(w.rng.IntN(3))*30*time.Second, time.Duration(w.rng.IntN(3))*5*time.Second
	w.aging = true
	w.say("instances live for %v, environments for %v, from the next start on", w.age, w.envAge)
}

// load makes all functions so busy.
func (w *region) load() {
	share := []float64{0, 0.3, 0.9, 1}[w.rng.IntN(4)]
	w.say("load %.1f", share)
	w.routes.setLoad(share)
}

// names are few, so that they are used again.
var (
	functionNames = []string{"f0", "f1", "f2", "f3"}
	ordinaryName  = "ordinary"
	providerNames = []string{"p0", "p1"}
)

func providerName(c lamina.FunctionConfig) string {
	if c.Capacity == nil {
		return lamina.HiddenProviderName
	}
	return lamina.CapacityProviderName(c.Capacity.ProviderARN)
}

func sortedKeys[V any](rows []view.Row[V]) []string {
	var keys []string
	for _, r := range rows {
		keys = append(keys, r.Key)
	}
	slices.Sort(keys)
	return keys
}
