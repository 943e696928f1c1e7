// Package fleet is the life cycle of managed instances and the sessions of their
// agents. It launches what it is told to launch, never beyond a provider's vCPU
// cap, keeps a durable record of each instance so that none can leak, notices
// death, and holds the in-memory picture of which environments run where.
//
// What to launch and where environments go is decided by the controller.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

const (
	launchLimit    = 15 * time.Second // for the driver to start an agent (chosen)
	joinLimit      = 15 * time.Second // from then to the agent's Hello (chosen)
	adoptLimit     = 10 * time.Second // a recorded instance counts as present for so long after a start (DESIGN.md 9)
	lostLimit      = 45 * time.Second // without a session, before a joined instance is given up; below the minute after which its agent ends itself (DESIGN.md 11)
	silentLimit    = 7 * time.Second  // of silence, three heartbeats, before nothing is sent to an agent any more (chosen)
	terminateLimit = 30 * time.Second // for the driver to end an instance, before it is asked again (chosen)
	commitLimit    = 5 * time.Second  // for the store to take a change, before it is tried again (chosen)
	tendInterval   = 5 * time.Second  // between looks for records nobody follows, lost sessions and old records
	recordsKept    = time.Hour        // ended instances stay visible in DescribeInstances, as on EC2
	retryPause     = 500 * time.Millisecond
)

// LogSink takes the log lines of environments. It must not block.
type LogSink interface {
	Ingest(scope lamina.Scope, group, stream string, events []wire.LogEvent)
}

// Packages opens code packages by their SHA-256.
type Packages interface {
	Package(sha string) (io.ReadCloser, error)
}

// Config is what a fleet works with.
type Config struct {
	View       *view.View
	Tables     tables.Fleet
	Providers  *view.Table[lamina.CapacityProvider]
	Subnets    *view.Table[lamina.Subnet]
	Groups     *view.Table[lamina.SecurityGroup]
	Interfaces *view.Table[lamina.NetworkInterface]
	// NewInterface chooses an address of the subnet that none of used has; false: none is free.
	NewInterface func(subnet lamina.Subnet, used []lamina.NetworkInterface) (lamina.NetworkInterface, bool)
	Driver       driver.Driver
	Settings     driver.Settings
	ServerAddr   string        // where agents find this server
	Orphan       time.Duration // how long an agent lives without a server
	Logs         LogSink
	// Delivers says whether the lines of a version's environment get out of its instance's network; nil: all do.
	Delivers func(inst lamina.Instance, versionKey string) bool
	// MayLog says whether an operator role may write its provider's system log into a group; nil: none may.
	MayLog func(roleARN string, scope lamina.Scope, group string) bool
	// Network is what an instance's environments reach now; NetworkChanged tells
	// that it may have changed. nil: agents are not told.
	Network        func(inst lamina.Instance) wire.Network
	NetworkChanged <-chan struct{}
	Packages       Packages
	Clock          lamina.Clock
	Log            *slog.Logger
}

// Fleet is all instances of this server.
type Fleet struct {
	cfg   Config
	nudge chan struct{}
	known chan struct{} // closed when the recorded instances are members

	mu      sync.Mutex
	epoch   int64
	members map[string]*member // by instance id; ended ones leave
	homes   map[string]*member // by environment id: where it is assigned
	records map[string]bool    // ids whose first record is being committed
	failed  []LaunchFailure
	early   map[string]int  // by provider: agents in a row that ended right after they came
	closing bool            // Shutdown has begun: nothing is launched any more
	work    *errgroup.Group // owns one goroutine per member
	ctx     context.Context //nolint:containedctx // the fleet's own life, set by Run
}

// Member is a snapshot of one instance that counts.
type Member struct {
	lamina.Instance
	Joined       bool
	Connected    bool      // there is a session with its agent
	Reported     time.Time // when its agent last said anything
	Silent       bool      // its agent keeps its session and says nothing: it is stopped or stuck
	HostCPU      float64   // use of the machine under it, 0..1; 0: not known
	Undecided    bool      // recorded by an earlier server and not yet rejoined or found gone
	Ending       bool
	InvokeAddr   string
	Assigned     []wire.EnvironmentSpec            // what it should run
	Environments map[string]wire.EnvironmentStatus // what it says it runs
}

// New makes a fleet; Open loads its records.
func New(cfg Config) *Fleet {
	return &Fleet{cfg: cfg, epoch: cfg.Clock().UnixNano(), nudge: make(chan struct{}, 1), known: make(chan struct{}), members: map[string]*member{}, homes: map[string]*member{}, records: map[string]bool{}, early: map[string]int{}}
}

// LaunchFailure is an instance that never joined, or the last of a series that
// ended right after they had.
type LaunchFailure struct {
	ProviderKey string
	Zone        string // empty: no other zone or type will do, it is this host
	Type        string
	Code        string // a state reason code
	Text        string // what happened and what to do next
}

// LaunchFailures gives those since the last call.
func (f *Fleet) LaunchFailures() []LaunchFailure {
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := f.failed
	f.failed = nil
	return failed
}

// launchFailed tells the controller, and gives the reason back. What an earlier
// server launched says nothing of launching.
func (f *Fleet) launchFailed(m *member, code, text string) string {
	if m.adopted {
		return text
	}
	f.journal(m.inst, opLaunchFailed, "Failed to launch %[1]s instance in %[3]s: "+strings.ReplaceAll(text, "%", "%%")+" - the system will retry")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = append(f.failed, LaunchFailure{m.inst.ProviderKey(), m.inst.Zone, m.inst.Type, code, text})
	return text
}

// Changed becomes readable whenever a Member changed.
func (f *Fleet) Changed() <-chan struct{} { return f.nudge }

func (f *Fleet) changed() {
	select {
	case f.nudge <- struct{}{}:
	default:
	}
}

// Known is closed once the instances that an earlier server recorded are
// members: nothing may be decided before.
func (f *Fleet) Known() <-chan struct{} { return f.known }

// Members is a snapshot of all instances that count, by id. What of it is the
// fleet's own, lists and maps, is not to be changed.
func (f *Fleet) Members() map[string]Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]Member, len(f.members))
	for id, m := range f.members {
		out[id] = m.snapshot()
	}
	return out
}

// Run accepts agents on l, adopts the recorded instances and follows all until
// ctx ends; they are left running then.
func (f *Fleet) Run(ctx context.Context, l net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	f.mu.Lock()
	f.work, f.ctx = g, ctx
	f.mu.Unlock()
	g.Go(func() error { return f.cfg.Driver.Run(ctx) })
	g.Go(func() error { return f.followGone(ctx) })
	recorded := f.adopt()
	g.Go(func() error { return f.serve(ctx, l) }) // not before: an agent that nobody knows is told to end itself
	g.Go(func() error { return f.endUnrecorded(ctx, recorded) })
	g.Go(func() error { return f.tend(ctx) })
	g.Go(func() error { return f.listen(ctx) })
	g.Go(func() error { return f.followNetworks(ctx) })
	return g.Wait()
}

// adopt takes over what an earlier server left, and gives its ids.
func (f *Fleet) adopt() map[string]bool {
	recorded := map[string]bool{}
	for row := range f.cfg.Tables.Instances.All() {
		if row.Value.Ended() {
			continue
		}
		recorded[row.Value.ID] = true
		f.follow(newMember(row.Value, true))
	}
	close(f.known)
	f.changed()
	return recorded
}

// endUnrecorded ends what had no record at the start. What does not end now is
// left to the next start: it uses nothing that this server counts.
func (f *Fleet) endUnrecorded(ctx context.Context, recorded map[string]bool) error {
	found, err := f.cfg.Driver.List(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("list the driver's instances: %w", err)
	}
	for _, one := range found {
		if recorded[one.ID] || f.counts(one.ID) {
			continue
		}
		if err := f.terminate(ctx, one.ID, one.Handle); err != nil && ctx.Err() == nil {
			f.cfg.Log.Warn("an instance without a record does not end", "instance", one.ID, "error", err)
		}
	}
	return nil
}

// counts says whether an instance is a member, or about to become one.
func (f *Fleet) counts(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members[id] != nil || f.records[id]
}

// Launch records a new instance under the provider's cap and starts it. The
// instance carries id, type, size, zone and subnet; an empty subnet gets no
// address (the hidden fleet). Refusals are *lamina.Errors with a state reason code.
func (f *Fleet) Launch(ctx context.Context, p lamina.CapacityProvider, inst lamina.Instance) error {
	if !f.begin(inst.ID) {
		return ErrClosing
	}
	defer f.begun(inst.ID)
	inst.State, inst.LaunchedAt = lamina.InstancePending, f.cfg.Clock()
	inst.Token = newToken()
	// A commit that was given up may still happen: tend finds its record then.
	if _, err := f.cfg.View.Update(ctx, func(tx *view.Tx) error { return f.record(tx, p, &inst) }); err != nil {
		return fmt.Errorf("record instance %s: %w", inst.ID, err)
	}
	f.follow(newMember(inst, false))
	f.changed()
	return nil
}

// ErrClosing is no refusal with a reason code: a version that waits goes on
// waiting for the next start.
var ErrClosing = errors.New("the fleet is shutting down")

func (f *Fleet) begin(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return false
	}
	f.records[id] = true
	return true
}

func (f *Fleet) begun(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.records, id)
}

// record is DESIGN.md 13's one batch: the allocation, the address, the instance,
// under the cap that holds at that moment.
func (f *Fleet) record(tx *view.Tx, p lamina.CapacityProvider, inst *lamina.Instance) error {
	if !p.Hidden {
		row, ok := f.cfg.Providers.At(tx).Get(p.Key())
		if !ok || row.Value.Deleting {
			return lamina.Errorf(lamina.ReasonInsufficient, "The capacity provider %s is being deleted.", p.Name)
		}
		p = row.Value
		tx.Guard(f.cfg.Providers.AtRevision(row))
	}
	alloc, ok := f.cfg.Tables.Allocations.At(tx).Get(p.Key())
	if alloc.Value.VCPUs+inst.VCPUs > p.MaxVCPU() {
		return lamina.Errorf(lamina.ReasonVCPULimit, lamina.TextVCPULimit)
	}
	if ok {
		tx.Guard(f.cfg.Tables.Allocations.AtRevision(alloc))
	} else {
		tx.Guard(f.cfg.Tables.Allocations.Absent(p.Key()))
	}
	if inst.SubnetID != "" {
		if err := f.address(tx, p, inst); err != nil {
			return err
		}
	}
	return tx.Do(
		f.cfg.Tables.Allocations.Put(p.Key(), lamina.Allocation{VCPUs: alloc.Value.VCPUs + inst.VCPUs}),
		f.cfg.Tables.Instances.Put(inst.Key(), *inst),
	)
}

func (f *Fleet) address(tx *view.Tx, p lamina.CapacityProvider, inst *lamina.Instance) error {
	subnet, ok := f.cfg.Subnets.At(tx).Get(lamina.Key(inst.Account, inst.Region, inst.SubnetID))
	if !ok {
		return lamina.Errorf(lamina.ReasonInvalidSubnet, "The subnet %s of capacity provider %s does not exist any more.", inst.SubnetID, p.Name)
	}
	tx.Guard(f.cfg.Subnets.AtRevision(subnet))
	for _, id := range p.SecurityGroupIDs {
		group, ok := f.cfg.Groups.At(tx).Get(lamina.Key(inst.Account, inst.Region, id))
		if !ok {
			return lamina.Errorf(lamina.ReasonInvalidGroup, "The security group %s of capacity provider %s does not exist any more.", id, p.Name)
		}
		tx.Guard(f.cfg.Groups.AtRevision(group))
	}
	prefix := subnet.Key + "/"
	var used []lamina.NetworkInterface
	for row := range f.cfg.Interfaces.At(tx).Scan(prefix) {
		used = append(used, row.Value)
	}
	eni, ok := f.cfg.NewInterface(subnet.Value, used)
	if !ok {
		return lamina.Errorf(lamina.ReasonNoAddresses, "Subnet %s has no free IP addresses left.", inst.SubnetID)
	}
	eni.GroupIDs, eni.InstanceID = p.SecurityGroupIDs, inst.ID
	eni.Operator, eni.Description = Operator, "AWS Lambda managed instance "+inst.ID
	if p.PropagateTags != nil {
		eni.Tags = maps.Clone(lamina.Tags(p.PropagateTags.Explicit))
	}
	inst.VPCID, inst.InterfaceID, inst.PrivateIP = subnet.Value.VPCID, eni.ID, eni.PrivateIP
	inst.IPv6 = eni.IPv6
	tx.Guard(f.cfg.Interfaces.PrefixUnchanged(prefix, tx.Revision()))
	return tx.Do(f.cfg.Interfaces.Put(eni.Key(), eni))
}

// Operator is who manages instances and their interfaces (lmi-service.md 2.3).
const Operator = "scaler.lambda.amazonaws.com"

// End shuts an instance down; running invocations may finish within grace.
func (f *Fleet) End(id, reason string, grace time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[id]; m != nil {
		m.endLocked(reason, grace)
	}
}

// Shutdown ends every instance, launches no further one, and waits until all
// are gone or ctx ends.
func (f *Fleet) Shutdown(ctx context.Context, grace time.Duration) error {
	f.mu.Lock()
	f.closing = true
	for _, m := range f.members {
		m.endLocked("the server stops", grace)
	}
	f.mu.Unlock()
	select {
	case <-f.known: // what an earlier server left is ended too
	case <-ctx.Done():
		return fmt.Errorf("the recorded instances are not known yet: %w", context.Cause(ctx))
	}
	for {
		f.mu.Lock()
		left := slices.Concat(slices.Sorted(maps.Keys(f.members)), slices.Sorted(maps.Keys(f.records)))
		f.mu.Unlock()
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("instances still ending: %v: %w", left, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Assign tells an instance everything it should run. It does not wait for the
// agent, which may read nothing: the session sends the newest list.
func (f *Fleet) Assign(id string, specs []wire.EnvironmentSpec) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[id]
	if m == nil {
		return
	}
	f.assignLocked(m, slices.Clone(specs))
	m.told = true
	m.generation++
	m.session.nudge()
}

func (f *Fleet) followGone(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-f.cfg.Driver.Gone():
			f.mu.Lock()
			if m := f.members[id]; m != nil {
				m.goneLocked()
			}
			f.mu.Unlock()
		}
	}
}
