package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

// checker looks at every commit, every route and every state of an environment.
type checker struct {
	*testing.T
	slow atomic.Bool // commits are slow at times: what was decided may be older
	stop func()

	mu        sync.Mutex
	rows      rowsSeen
	published map[string]string // provider by version, incarnation and generation
	seen      map[string]*seen  // environments by id
}

// seen is an environment as its agent has it.
type seen struct {
	instance lamina.Instance
	spec     wire.EnvironmentSpec
	state    wire.EnvironmentState
	ready    time.Time
	left     time.Time // when it was ready no more
}

func newChecker(t *testing.T, st store.Store) *checker {
	c := &checker{T: t, published: map[string]string{}, seen: map[string]*seen{}}
	watcher, err := st.Watch(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() {
		for {
			event, err := watcher.Next(ctx)
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("watch: %v", err)
				}
				return
			}
			c.committed(event)
		}
	})
	c.stop = func() {
		cancel()
		following.Wait()
		watcher.Close()
	}
	return c
}

// rowsSeen are the rows as the watcher saw them, by key below the table's prefix.
type rowsSeen struct {
	instances   map[string]lamina.Instance
	allocations map[string]lamina.Allocation
	interfaces  map[string]lamina.NetworkInterface
	providers   map[string]lamina.CapacityProvider
	versions    map[string]lamina.Version
	statuses    map[string]lamina.VersionStatus
}

// prefixes of the tables, from where they are spelled.
var (
	lambdaRows = tables.NewLambda(view.New())
	fleetRows  = tables.NewFleet(view.New())
	ec2Rows    = tables.NewEC2(view.New())
)

func (r *rowsSeen) apply(op store.Op) error {
	return errors.Join(
		applyTo(&r.instances, fleetRows.Instances.Prefix(), op),
		applyTo(&r.allocations, fleetRows.Allocations.Prefix(), op),
		applyTo(&r.interfaces, ec2Rows.Interfaces.Prefix(), op),
		applyTo(&r.providers, lambdaRows.Providers.Prefix(), op),
		applyTo(&r.versions, lambdaRows.Versions.Prefix(), op),
		applyTo(&r.statuses, lambdaRows.VersionStatus.Prefix(), op),
	)
}

func applyTo[T any](rows *map[string]T, prefix string, op store.Op) error {
	key, ok := strings.CutPrefix(op.Key, prefix)
	if !ok {
		return nil
	}
	if *rows == nil {
		*rows = map[string]T{}
	}
	if op.Delete {
		delete(*rows, key)
		return nil
	}
	var v T
	if err := json.Unmarshal(op.Value, &v); err != nil {
		return fmt.Errorf("row %s: %w", op.Key, err)
	}
	(*rows)[key] = v
	return nil
}

// committed checks what must hold with every single commit.
func (c *checker) committed(event store.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, former := maps.Clone(c.rows.allocations), maps.Clone(c.rows.statuses)
	at := fmt.Sprintf("%s, revision %d", time.Now().Format("15:04:05.000"), event.Revision)
	for _, op := range event.Ops {
		if err := c.rows.apply(op); err != nil {
			c.Errorf("%s: %v", at, err)
		}
	}
	c.checkShares(at, before)
	c.checkAddresses(at)
	for _, op := range event.Ops {
		if key, ok := strings.CutPrefix(op.Key, lambdaRows.VersionStatus.Prefix()); ok && !op.Delete {
			c.checkActive(at, key, former[key])
		}
	}
}

// publishes notes where a generation shall run.
func (c *checker) publishes(v lamina.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.published[fmt.Sprint(v.Key(), v.Incarnation, v.Generation)] = providerName(v.Config)
}

// checkShares: the vCPUs of instances that have not ended are what is allocated,
// and an allocation grows only under the cap.
func (c *checker) checkShares(at string, before map[string]lamina.Allocation) {
	sums := map[string]int32{}
	for _, inst := range c.rows.instances {
		if !inst.Ended() {
			sums[inst.ProviderKey()] += inst.VCPUs
		}
	}
	providers, allocations := c.rows.providers, c.rows.allocations
	for key, sum := range sums {
		if allocations[key].VCPUs != sum {
			c.Errorf("%s: instances of %s have %d vCPUs, %d are allocated", at, key, sum, allocations[key].VCPUs)
		}
	}
	for key, a := range allocations {
		if a.VCPUs != sums[key] {
			c.Errorf("%s: %d vCPUs of %s are allocated, its instances have %d", at, a.VCPUs, key, sums[key])
		}
		p, ok := providers[key]
		if hidden := strings.HasSuffix(key, lamina.HiddenProviderName); a.VCPUs > before[key].VCPUs && !hidden && (!ok || p.Deleting || a.VCPUs > p.MaxVCPU()) {
			c.Errorf("%s: %d vCPUs of %s are allocated, the cap is %d (exists %v, deleting %v)", at, a.VCPUs, key, p.MaxVCPU(), ok, p.Deleting)
		}
	}
}

// checkAddresses: one interface with an address of its own per instance that has not ended.
func (c *checker) checkAddresses(at string) {
	holders, addresses := map[string]bool{}, map[string]bool{}
	for _, eni := range c.rows.interfaces {
		if address := eni.SubnetID + eni.PrivateIP; holders[eni.InstanceID] || addresses[address] {
			c.Errorf("%s: interface %+v is the second of its instance or address", at, eni)
		} else {
			holders[eni.InstanceID], addresses[address] = true, true
		}
	}
	for _, inst := range c.rows.instances {
		if want := !inst.Ended() && !inst.Hidden; holders[inst.ID] != want {
			c.Errorf("%s: instance %s (%s) has an address: %v", at, inst.ID, inst.State, holders[inst.ID])
		}
		delete(holders, inst.ID)
	}
	if len(holders) > 0 {
		c.Errorf("%s: addresses are held by %v", at, holders)
	}
}

// checkActive: a generation begins to serve only with its minimum ready.
func (c *checker) checkActive(at, key string, former lamina.VersionStatus) {
	v, now := c.rows.versions[key], c.rows.statuses[key]
	if now.State != lamina.StateActive || (former.State == lamina.StateActive && former.Serving == now.Serving) {
		return
	}
	n := 0
	for _, e := range c.seen {
		if e.spec.VersionKey == key && e.spec.Incarnation == v.Incarnation && e.spec.Generation == now.Serving && c.servedLately(e) {
			n++
		}
	}
	if n < now.Applied.Minimum() {
		c.Errorf("%s: %s is Active with %d of %d environments ready", at, key, n, now.Applied.Minimum())
	}
}

// lately is how old a decision may be when commits are slow: a picture's age, and
// the commits of one provider's turn.
const lately = pictureAge + roundLimit

// servedLately says whether an environment was ready when a decision of now was
// made: just now, since an agent whose session has ended tells of it in the next
// one, or lately when commits are slow.
func (c *checker) servedLately(e *seen) bool {
	past := 100 * time.Millisecond
	if c.slow.Load() {
		past = lately
	}
	return !e.ready.IsZero() && (e.left.IsZero() || time.Since(e.left) <= past)
}

// observe is what agents say of their environments.
func (c *checker) observe(inst lamina.Instance, spec wire.EnvironmentSpec, status wire.EnvironmentStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.seen[spec.ID]
	if e == nil {
		e = &seen{instance: inst, spec: spec}
		c.seen[spec.ID] = e
		if home := c.published[fmt.Sprint(spec.VersionKey, spec.Incarnation, spec.Generation)]; home != inst.Provider {
			c.Errorf("an environment of %s generation %d of provider %q is on an instance of %q", spec.VersionKey, spec.Generation, home, inst.Provider)
		}
	}
	if inst.ID != e.instance.ID {
		c.Errorf("environment %s is on %s and on %s", spec.ID, e.instance.ID, inst.ID)
	}
	e.spec, e.state = spec, status.State
	switch {
	case status.State == wire.EnvironmentReady:
		e.ready = time.Now()
	case !e.ready.IsZero() && e.left.IsZero():
		e.left = time.Now()
	}
}

// ready lists the environments that serve, in a fixed order.
func (c *checker) ready() []seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []seen
	for _, e := range c.seen {
		if e.state == wire.EnvironmentReady {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b seen) int { return strings.Compare(a.spec.ID, b.spec.ID) })
	return out
}

// alive lists the environments that have not ended.
func (c *checker) alive() []seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []seen
	for _, e := range c.seen {
		if e.state != wire.EnvironmentEnded {
			out = append(out, *e)
		}
	}
	return out
}

// routes is the router as the controller sees it, with a check on what it installs.
type routes struct {
	check  *checker
	lambda tables.Lambda
	demand chan struct{}

	mu        sync.Mutex
	installed map[string][]lamina.Endpoint
	waiting   map[string]int
	load      float64 // share of the slots that are taken
}

func newRoutes(c *checker, l tables.Lambda) *routes {
	return &routes{check: c, lambda: l, demand: make(chan struct{}, 1), installed: map[string][]lamina.Endpoint{}, waiting: map[string]int{}}
}

// Install checks that a version's routes lead to ready environments of it alone.
func (r *routes) Install(key string, endpoints []lamina.Endpoint) {
	v, ok := r.lambda.Versions.Get(key)
	r.check.mu.Lock()
	generations := map[int64]bool{}
	for _, e := range endpoints {
		env := r.check.seen[e.EnvironmentID]
		switch {
		case env == nil:
			r.check.Errorf("a route of %s to an environment nobody started", key)
		case env.spec.VersionKey != key || (ok && env.spec.Incarnation != v.Value.Incarnation):
			r.check.Errorf("a route of %s to an environment of %s, incarnation %s", key, env.spec.VersionKey, env.spec.Incarnation)
		case !r.check.servedLately(env):
			r.check.Errorf("a route of %s to an environment that is %s", key, env.state)
		default:
			generations[env.spec.Generation] = true
		}
	}
	r.check.mu.Unlock()
	if len(generations) > 1 {
		r.check.Errorf("routes of %s to generations %v at once", key, generations)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.installed[key] = endpoints
	if len(endpoints) > 0 {
		delete(r.waiting, key)
	}
}

func (r *routes) Remove(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.installed, key)
	delete(r.waiting, key)
}

func (r *routes) Fail(key, _, _ string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, key)
}

func (r *routes) Load(key string) lamina.Load {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := lamina.Load{Waiting: r.waiting[key], Environments: map[string]lamina.EnvironmentLoad{}}
	for _, e := range r.installed[key] {
		n := int(r.load * float64(e.Slots))
		l.InFlight += n
		l.Environments[e.EnvironmentID] = lamina.EnvironmentLoad{InFlight: n, IdleSince: time.Now().Add(-time.Minute)}
	}
	if r.load > 0 {
		l.Served = 10
	}
	if r.load == 1 {
		l.Refused = 5
	}
	return l
}

func (r *routes) setLoad(share float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.load = share
}

func (r *routes) Demand() <-chan struct{} { return r.demand }

// ask is a request that waits for an environment if there is none.
func (r *routes) ask(key string) {
	r.mu.Lock()
	if len(r.installed[key]) == 0 {
		r.waiting[key] = 1
	}
	r.mu.Unlock()
	select {
	case r.demand <- struct{}{}:
	default:
	}
}

func (r *routes) of(key string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, e := range r.installed[key] {
		ids = append(ids, e.EnvironmentID)
	}
	slices.Sort(ids)
	return ids
}

// quiet checks what must hold when nothing has happened for minutes.
func (c *checker) quiet(w *region) {
	c.Helper()
	serving := map[string][]string{} // ready environments by version
	held := map[string]bool{}        // instances that hold one
	for _, e := range c.alive() {
		v, ok := w.lambda.Versions.Get(e.spec.VersionKey)
		if !ok || v.Value.Incarnation != e.spec.Incarnation || e.state != wire.EnvironmentReady {
			c.Errorf("quiet: environment %s of %s generation %d is %s", e.spec.ID, e.spec.VersionKey, e.spec.Generation, e.state)
		}
		st, _ := w.lambda.VersionStatus.Get(e.spec.VersionKey)
		if v.Value.Config.Capacity != nil && e.spec.Generation != st.Value.Serving {
			c.Errorf("quiet: environment %s of %s has generation %d, %d serves", e.spec.ID, e.spec.VersionKey, e.spec.Generation, st.Value.Serving)
		}
		held[e.instance.ID] = true
		serving[e.spec.VersionKey] = append(serving[e.spec.VersionKey], e.spec.ID)
	}
	for _, row := range w.lambda.Versions.List("") {
		c.quietVersion(w, row.Value, serving[row.Key])
	}
	for _, row := range w.lambda.Functions.List("") {
		if row.Value.Deleting {
			c.Errorf("quiet: function %s is still being deleted", row.Key)
		}
	}
	alive := w.world.IDs()
	var recorded []string
	for _, row := range w.rows.Instances.List("") {
		if row.Value.Ended() {
			continue
		}
		recorded = append(recorded, row.Value.ID)
		if row.Value.State != lamina.InstanceRunning || (!held[row.Value.ID] && !row.Value.Hidden) {
			c.Errorf("quiet: instance %s is %s and holds something: %v", row.Value.ID, row.Value.State, held[row.Value.ID])
		}
	}
	slices.Sort(recorded)
	if !slices.Equal(alive, recorded) || len(w.fleet.Members()) != len(alive) {
		c.Errorf("quiet: %v live, %v are recorded, %d are members", alive, recorded, len(w.fleet.Members()))
	}
}

// quietVersion: settled, whole if capacity permits, with exactly its environments routed to.
func (c *checker) quietVersion(w *region, v lamina.Version, ready []string) {
	slices.Sort(ready)
	if got := w.routes.of(v.Key()); !slices.Equal(got, ready) {
		c.Errorf("quiet: routes of %s lead to %v, ready are %v", v.Key(), got, ready)
	}
	if v.Config.Capacity == nil {
		return
	}
	st, _ := w.lambda.VersionStatus.Get(v.Key())
	s := st.Value
	settled := s.Generation == v.Generation && s.UpdateStatus != lamina.UpdateInProgress &&
		slices.Contains([]lamina.State{lamina.StateActive, lamina.StateFailed, lamina.StateDeactivated}, s.State)
	if !settled || v.Deleting {
		c.Errorf("quiet: %s is %+v", v.Key(), s)
		return
	}
	bounds, _ := w.lambda.Scaling.Get(v.Key())
	want := 0
	if s.State == lamina.StateActive {
		want = bounds.Value.Minimum()
	}
	if s.State == lamina.StateFailed && (s.ReasonCode == "" || s.Reason == "") {
		c.Errorf("quiet: %s failed for no reason: %+v", v.Key(), s)
	}
	config := v.Config
	if s.Serving == v.PreviousGen && v.Previous != nil {
		config = *v.Previous
	}
	if len(ready) < want && !w.short(config) {
		c.Errorf("quiet: %s has %d of %d environments, and there is room", v.Key(), len(ready), want)
	}
}

// short says whether a provider has no room for one more instance of any type.
func (w *region) short(config lamina.FunctionConfig) bool {
	p, ok := w.lambda.Providers.Get(lamina.Key(scope.Account, scope.Region, providerName(config)))
	if !ok || p.Value.Deleting {
		return true
	}
	used, _ := w.rows.Allocations.Get(p.Key)
	free := false
	for _, s := range w.controller.subnets(p.Value) {
		free = free || s.Free > 0
	}
	return used.Value.VCPUs+4 > p.Value.MaxVCPU() || !free
}

// nothingLeft checks that after all was deleted no row, address, instance,
// environment or memory of it stays.
func (c *checker) nothingLeft(w *region) {
	c.Helper()
	for what, left := range map[string][]string{
		"functions":         sortedKeys(w.lambda.Functions.List("")),
		"versions":          sortedKeys(w.lambda.Versions.List("")),
		"version statuses":  sortedKeys(w.lambda.VersionStatus.List("")),
		"scaling":           sortedKeys(w.lambda.Scaling.List("")),
		"providers":         sortedKeys(w.lambda.Providers.List("")),
		"provider statuses": sortedKeys(w.lambda.ProviderStatus.List("")),
		"interfaces":        sortedKeys(w.ec2.Interfaces.List("")),
		"instances":         w.world.IDs(),
	} {
		if len(left) > 0 {
			c.Errorf("after deletion, %s are left: %v", what, left)
		}
	}
	for _, row := range w.rows.Allocations.List("") {
		if row.Value.VCPUs != 0 || !strings.HasSuffix(row.Key, lamina.HiddenProviderName) {
			c.Errorf("after deletion, %s has %d vCPUs", row.Key, row.Value.VCPUs)
		}
	}
	for _, e := range c.alive() {
		c.Errorf("after deletion, environment %s of %s is %s", e.spec.ID, e.spec.VersionKey, e.state)
	}
	k := w.controller
	if n := len(k.failures) + len(k.routed) + len(k.draining) + len(k.emptyFrom) + len(k.scaling); n > 0 {
		c.Errorf("after deletion, the controller remembers %v %v %v %v %v", k.failures, k.routed, k.draining, k.emptyFrom, k.scaling)
	}
	if n := len(w.routes.installed); n > 0 {
		c.Errorf("after deletion, routes are left: %v", w.routes.installed)
	}
}
