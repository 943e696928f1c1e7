// Package controller makes the world look as the API's rows say: it brings
// versions up to their minimum of environments, keeps them there, rolls them to
// new generations, takes them down, and ends instances nobody needs.
//
// It is one level-triggered loop: load, compare, act, record. Every round starts
// from what is stored and what the agents report, so it is safe to repeat and
// safe to crash in the middle. The decisions themselves are the pure functions
// of version.go, scaler and scheduler.
package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Roles answers whether an operator role may launch instances.
type Roles interface {
	MayLaunch(ctx context.Context, roleARN string) error
}

// Credentials makes the execution role's keys of one environment.
type Credentials interface {
	ForEnvironment(scope lamina.Scope, roleARN, environmentID string) (wire.Credentials, error)
}

// Routes is the router as the controller sees it.
type Routes interface {
	Install(versionKey string, endpoints []lamina.Endpoint)
	Remove(versionKey string)
	Fail(versionKey, errorType, message string)
	Load(versionKey string) lamina.Load
	Demand() <-chan struct{}
}

// Config is what a controller works with.
type Config struct {
	View        *view.View
	Lambda      tables.Lambda
	Subnets     *view.Table[lamina.Subnet]
	Interfaces  *view.Table[lamina.NetworkInterface]
	Allocations *view.Table[lamina.Allocation]
	Fleet       *fleet.Fleet
	Routes      Routes
	Roles       Roles
	Credentials Credentials
	// Offers gives the instance types a provider may launch, cheapest first.
	Offers func(p lamina.CapacityProvider) []scheduler.Offer
	// FreeAddresses is how many addresses a subnet has left when so many are used.
	FreeAddresses func(s lamina.Subnet, used int) int
	NewInstanceID func() string
	// InstanceAge and EnvironmentAge are those at which either is replaced by a new one; 0: never.
	InstanceAge    time.Duration
	EnvironmentAge time.Duration
	Clock          lamina.Clock
	Log            *slog.Logger
}

const (
	emptyGrace       = 2 * time.Second        // an instance without environments ends after it (AWS: a few minutes)
	hiddenEmptyGrace = time.Minute            // of the hidden fleet
	roleGrace        = 10 * time.Second       // a new operator role may take so long to take effect (DESIGN.md 20)
	drainGrace       = 15 * time.Second       // past the function's timeout, after which a draining environment is struck off; its agent ends it one second past the timeout, this is for agents that can't (chosen)
	launchMemory     = 10 * time.Minute       // for which failed launches are remembered (chosen)
	launchAgain      = 2 * time.Second        // after which a version that serves tries a failed zone and type again; doubles with each failure (chosen)
	launchAgainMost  = time.Minute            // the longest such pause (chosen)
	endingPatience   = 2 * time.Minute        // for which a new version waits for the capacity that ending instances still hold (chosen)
	pictureAge       = 250 * time.Millisecond // a picture of that age is taken anew for the next provider (chosen)
	roundLimit       = 5 * time.Second        // for all commits of one round (chosen)
	maxBackoff       = 30 * time.Second       // between starts of environments that end again at once
	idleRound        = 30 * time.Second       // a round without any nudge
	retryRound       = 500 * time.Millisecond
)

// Controller is the loop and what it remembers between rounds; all of it can be lost.
type Controller struct {
	cfg       Config
	failures  map[string]*failure       // by version key
	launches  map[string][]failedLaunch // of late, by provider key
	draining  map[string]time.Time      // since when, by environment id
	emptyFrom map[string]time.Time      // by instance id
	routed    map[string]string         // version key → what was installed
	scaling   map[string]*scaling       // by version key
	wake      time.Time                 // the next round is due then at the latest
	rounds    chan struct{}             // has one after a round that Settled has not looked at

	drawn    map[string]Picture                 // of this round, by version key
	pictures atomic.Pointer[map[string]Picture] // of the last round, for others
}

// New makes a controller.
func New(cfg Config) *Controller {
	c := &Controller{
		cfg: cfg, failures: map[string]*failure{}, launches: map[string][]failedLaunch{}, draining: map[string]time.Time{}, emptyFrom: map[string]time.Time{},
		routed: map[string]string{}, scaling: map[string]*scaling{}, rounds: make(chan struct{}, 1),
	}
	c.pictures.Store(&map[string]Picture{})
	return c
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	rows, cancel := c.cfg.View.Subscribe("lambda/", "ec2/subnet/")
	defer cancel()
	select {
	case <-c.cfg.Fleet.Known():
	case <-ctx.Done():
		return nil
	}
	for {
		c.wake = c.cfg.Clock().Add(idleRound)
		c.round(ctx)
		select {
		case c.rounds <- struct{}{}:
		default:
		}
		timer := time.NewTimer(max(time.Millisecond, c.wake.Sub(c.cfg.Clock())))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-rows:
		case <-c.cfg.Fleet.Changed():
		case <-c.cfg.Routes.Demand():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Settled waits until every version that was Active before this start has its
// environments again, at most until ctx ends.
func (c *Controller) Settled(ctx context.Context) {
	for !c.settled() {
		select {
		case <-ctx.Done():
			return
		case <-c.rounds:
		}
	}
}

func (c *Controller) settled() bool {
	members := c.cfg.Fleet.Members()
	ready := map[string]int{}
	for _, m := range members {
		if m.Undecided {
			return false
		}
		for _, e := range environmentsOf(m) {
			if e.ready() {
				ready[e.spec.VersionKey+e.spec.Incarnation]++
			}
		}
	}
	for row := range c.cfg.Lambda.VersionStatus.All() {
		v, _ := c.cfg.Lambda.Versions.Get(row.Key)
		if row.Value.State == lamina.StateActive && ready[row.Key+v.Value.Incarnation] < row.Value.Applied.Minimum() {
			return false
		}
	}
	return true
}

// due asks for a round at t at the latest.
func (c *Controller) due(t time.Time) {
	if t.Before(c.wake) {
		c.wake = t
	}
}

// round is one comparison of desired and actual. What fails is logged and
// tried again soon.
//
// The turns of the providers come one after the other, and their commits have
// roundLimit together: all go to one store, so one that does not answer the
// first provider would not answer the next either. When it is over, the
// remaining commits fail at once, while routes and assignments, which need none,
// are still brought up to date for every provider.
func (c *Controller) round(ctx context.Context) {
	bounded, cancel := context.WithTimeoutCause(ctx, roundLimit, errSlowStore)
	defer cancel()
	c.drawn = map[string]Picture{}
	defer func() { c.pictures.Store(new(c.drawn)) }()
	r := c.load()
	c.launchFailures(r)
	for _, g := range r.groups {
		if c.cfg.Clock().Sub(r.at) > pictureAge {
			if r, g = c.reload(g); g == nil {
				continue
			}
		}
		if err := c.provider(bounded, r, g); err != nil && ctx.Err() == nil && !errors.Is(err, fleet.ErrClosing) {
			c.cfg.Log.Warn("capacity provider is not as it should be", "provider", g.provider.Name, "error", err)
			c.due(c.cfg.Clock().Add(retryRound))
		}
	}
	c.forgetDrained(r)
	if err := c.deletions(bounded, r); err != nil && ctx.Err() == nil {
		c.cfg.Log.Warn("deletion is not complete", "error", err)
		c.due(c.cfg.Clock().Add(retryRound))
	}
}

var errSlowStore = errors.New("the store is slow; what is missing is tried again")
