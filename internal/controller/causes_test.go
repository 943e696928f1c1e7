package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Whatever goes wrong with a version, with the real controller and fleet, is
// named: this cause, and no other.
func TestEachCauseIsNamed(t *testing.T) {
	const long = 2 * time.Minute
	good := func(w *region) lamina.Version { return w.publishes(2048) }
	// settled is an active version, to which something then happens.
	settled := func(happens func(w *region, v lamina.Version)) func(w *region) lamina.Version {
		return func(w *region) lamina.Version {
			v := w.publishes(2048)
			w.after(5 * time.Second)
			w.wantActive(v)
			happens(w, v)
			return v
		}
	}
	broken := func(code, text string) func(w *region) lamina.Version {
		return func(w *region) lamina.Version {
			w.init = drivermem.Init{After: time.Second, Code: code, Text: text}
			return w.publishesA("broken", 2048)
		}
	}
	launches := func(how drivermem.Launch) func(w *region) lamina.Version {
		return func(w *region) lamina.Version {
			w.fail(how, zones...)
			return w.publishes(2048)
		}
	}
	aged := settled(func(w *region, _ lamina.Version) {
		w.mu.Lock()
		w.initAfter = long // the new one is long in coming
		w.mu.Unlock()
		w.envAge = time.Minute
		w.stop()
		w.start()
		w.after(time.Minute)
	})
	for name, c := range map[string]struct {
		vcpus  int32
		inject func(w *region) lamina.Version
		after  time.Duration
		code   string
		text   string // part of what is said
	}{
		"nothing":                 {100, good, long, "as-it-should-be", "has the 3 environments"},
		"launches run":            {100, good, 200 * time.Millisecond, "starting", "3 environments are coming up"},
		"a restart":               {100, settled(func(w *region, _ lamina.Version) { w.network.Cut(true); w.stop(); w.start(); w.kill() }), 2 * time.Second, "restarted", "started anew"},
		"deletion":                {100, settled(func(w *region, v lamina.Version) { w.deleteFunctionOf(functionKey(v)) }), time.Second, "deleting", "3 environments finish"},
		"a bound of 0":            {100, settled(func(w *region, v lamina.Version) { w.bounds(v, 0, 0) }), time.Minute, "deactivated", "maximum of 0"},
		"rotation":                {100, aged, 10 * time.Second, "rotation", "serve until new ones do"},
		"no room for it":          {6, aged, 10 * time.Second, "rotation-held", "maxVCpuCount"},
		"a new role":              {100, func(w *region) lamina.Version { w.badRole.Store(true); return w.publishes(2048) }, 2 * time.Second, "role-grace", "ten seconds"},
		"a bad role":              {100, func(w *region) lamina.Version { w.badRole.Store(true); return w.publishes(2048) }, long, "operator-role", "permission"},
		"the cap":                 {4, good, time.Second, "vcpu-cap", "maxVCpuCount"},
		"the cap, by load":        {6, settled(func(w *region, _ lamina.Version) { w.routes.setLoad(1) }), 10 * time.Second, "vcpu-cap", "are needed"},
		"the cap, by a republish": {6, settled(func(w *region, _ lamina.Version) { w.publishes(4096) }), 10 * time.Second, "vcpu-cap", "the one before it serves"},
		"no addresses": {100, func(w *region) lamina.Version {
			w.subnets(func(s lamina.Subnet) lamina.Subnet { s.CIDR = strings.Replace(s.CIDR, "/24", "/29", 1); return s })
			v := w.publishes(2048)
			w.bounds(v, 10, 20) // nine addresses are left of three times eight
			return v
		}, long, "no-addresses", "no free IP addresses"},
		"no subnet": {100, func(w *region) lamina.Version {
			w.api("delete subnets", func(tx *view.Tx) error {
				var err error
				for row := range w.ec2.Subnets.At(tx).Scan("") {
					err = tx.Do(w.ec2.Subnets.Delete(row.Key))
				}
				return err
			})
			return w.publishes(2048)
		}, long, "subnet-gone", "exists any more"},
		"no security group": {100, func(w *region) lamina.Version {
			w.api("name a group", func(tx *view.Tx) error {
				p, _ := w.lambda.Providers.At(tx).Get(lamina.Key(scope.Account, scope.Region, "p0"))
				p.Value.SecurityGroupIDs = []string{"sg-gone"}
				return tx.Do(w.lambda.Providers.Put(p.Key, p.Value))
			})
			return w.publishes(2048)
		}, long, "group-gone", "sg-gone"},
		"no zone has capacity": {100, launches(noCapacity), long, "no-capacity", "no capacity in this zone"},
		"zones are lost":       {100, settled(func(w *region, _ lamina.Version) { w.fail(noCapacity, zones...); w.kill() }), 10 * time.Second, "no-capacity", "no capacity in this zone"},
		"the only type is not to be had": {100, func(w *region) lamina.Version {
			w.offers, w.refuse = w.offers[:1], "c6a.large"
			return w.publishes(2048)
		}, long, "no-capacity", "no c6a.large"},
		"all types are excluded":     {100, func(w *region) lamina.Version { w.offers = nil; return w.publishes(2048) }, long, "no-type", "No allowed instance type"},
		"every allowed is too small": {100, func(w *region) lamina.Version { w.offers = []scheduler.Offer{w.offers[0]}; return w.publishes(4096) }, long, "no-type", "4096 MiB"},
		"agents never join":          {100, launches(drivermem.Launch{Mute: true}), long, "launch-stuck", "did not join"},
		"agents end at once":         {100, launches(drivermem.Launch{Ends: true}), long, "launch-failed", "ended before it joined"},
		"the machine is full":        {100, launches(drivermem.Launch{Err: lamina.Errorf(lamina.ReasonInsufficient, lamina.TextHostFull+"runs 16 instances")}), long, "machine-full", "16 instances"},
		"no code":                    {100, broken(lamina.ReasonInternal, lamina.TextNoPackage+": not found"), long, "code-missing", "not found"},
		"no runtime":                 {100, broken(lamina.ReasonInvalidRuntime, "no python3.13"), long, "runtime-missing", "no python3.13"},
		"an init error":              {100, broken(lamina.ReasonRuntimeInit, "No module"), long, "init-error", "No module"},
		"an init that hangs":         {100, broken(lamina.ReasonInitTimeout, "did not finish"), long, "init-timeout", "did not finish"},
		"memory":                     {100, broken(lamina.ReasonInitResources, "signal: killed"), long, "out-of-memory", "killed"},
		"a foreign binary":           {100, broken(lamina.ReasonInvalidEntryPoint, "exec format"), long, "entry-point", "exec format"},
		"no working folder":          {100, broken(lamina.ReasonInvalidWorkingDir, "/nowhere"), long, "working-folder", "/nowhere"},
		"not executable":             {100, broken(lamina.ReasonPermissionDenied, "denied"), long, "not-executable", "denied"},
		"no zip":                     {100, broken(lamina.ReasonInvalidZip, "not a zip"), long, "bad-package", "not a zip"},
		"a bad republish":            {100, settled(func(w *region, _ lamina.Version) { w.publishesA("broken", 2048) }), long, "init-error", "the one before it serves"},
		"crashes in a row": {100, settled(func(w *region, _ lamina.Version) {
			for range 8 {
				for _, e := range w.check.ready() {
					w.world.Crash(e.instance.ID, e.spec.ID)
				}
				w.after(2 * time.Second)
			}
		}), 0, "failing", "exit status 1"},
		"no session": {100, settled(func(w *region, _ lamina.Version) {
			w.grow()
			w.network.Cut(true)
			for _, id := range w.world.IDs() {
				w.world.Sever(id)
			}
		}), 10 * time.Second, "not-heard-of", "not heard of"},
		"a stopped agent": {100, settled(func(w *region, _ lamina.Version) { w.world.Freeze(w.world.IDs()[0], true) }), 15 * time.Second, "silent", "1 environments get no calls"},
		"the maximum":     {100, settled(func(w *region, v lamina.Version) { w.bounds(v, 3, 3); w.routes.setLoad(1) }), 5 * time.Second, "maximum", "3 at most"},
		"load":            {100, settled(func(w *region, _ lamina.Version) { w.grow() }), 10 * time.Second, "scaled-out", "for the load"},
		"CPU": {100, settled(func(w *region, _ lamina.Version) {
			w.world.Use(0.6, 0.2)
			w.busyFor(2 * time.Second)
			w.world.Use(0.46, 0.2)
		}), 20 * time.Second, "scaled-out", "for the load"},
		"load that went": {100, settled(func(w *region, _ lamina.Version) {
			w.grow()
			w.routes.setLoad(0)
		}), 20 * time.Second, "holding", "has fallen"},
		"the machine's CPU": {100, settled(func(w *region, _ lamina.Version) { w.world.Use(1, 1) }), 5 * time.Second, "machine-cpu", "no CPU left"},
	} {
		t.Run(name, func(t *testing.T) {
			unquiet(t, c.vcpus, func(w *region) {
				if name == "deletion" {
					w.stuck = 100
				}
				v := c.inject(w)
				w.busyFor(c.after)
				p, _ := w.controller.Picture(v.Key())
				found := Explain(p)
				if len(found) != 1 || found[0].Code != c.code || !strings.Contains(found[0].Text, c.text) {
					t.Errorf("explained by %+v\nwant %s: %s", found, c.code, c.text)
				}
				w.network.Cut(false)
			})
		})
	}
}

// grow loads a version until it has more environments, and then as much as they bear.
func (w *region) grow() {
	w.routes.setLoad(0.8)
	w.busyFor(2 * time.Second)
	w.routes.setLoad(0.62)
	w.busyFor(10 * time.Second)
}

// busyFor lets time pass with the router's nudges, as under load.
func (w *region) busyFor(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		select {
		case w.routes.demand <- struct{}{}:
		default:
		}
		w.after(min(250*time.Millisecond, time.Until(end)))
	}
}

// bounds sets how many environments a version may have.
func (w *region) bounds(v lamina.Version, least, most int32) {
	w.api("set bounds", func(tx *view.Tx) error {
		return tx.Do(w.lambda.Scaling.Put(v.Key(), lamina.ScalingConfig{Min: &least, Max: &most}))
	})
}

// subnets changes all of them.
func (w *region) subnets(change func(lamina.Subnet) lamina.Subnet) {
	w.api("change subnets", func(tx *view.Tx) error {
		var err error
		for row := range w.ec2.Subnets.At(tx).Scan("") {
			err = tx.Do(w.ec2.Subnets.Put(row.Key, change(row.Value)))
		}
		return err
	})
}
