package controller

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lamina-dev/lamina"
	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

// scenario runs a test in virtual time, on a region with one provider "p0" of so
// many vCPUs and a subnet in each of the zones.
func scenario(t *testing.T, vcpus int32, test func(w *region)) {
	unquiet(t, vcpus, func(w *region) {
		test(w)
		w.check.quiet(w)
	})
}

// unquiet is a scenario that ends in the middle of something.
func unquiet(t *testing.T, vcpus int32, test func(w *region)) {
	synctest.Test(t, func(t *testing.T) {
		w := newRegion(t, 1, "mem", "")
		defer w.close()
		w.api("furnish", func(tx *view.Tx) error {
			p := lamina.CapacityProvider{Scope: scope, Name: "p0", OperatorRoleARN: "role", Scaling: &lamina.ProviderScaling{MaxVCPU: vcpus}}
			for i, zone := range zones {
				s := lamina.Subnet{Scope: scope, ID: fmt.Sprintf("subnet-%d", i), Zone: zone, CIDR: fmt.Sprintf("10.0.%d.0/24", i)}
				p.SubnetIDs = append(p.SubnetIDs, s.ID)
				_ = tx.Do(w.ec2.Subnets.Put(s.Key(), s))
			}
			return tx.Do(w.lambda.Providers.Put(p.Key(), p))
		})
		test(w)
	})
}

// publishes makes a version of function f with environments of so much memory.
func (w *region) publishes(memory int32) lamina.Version {
	return w.publishesA("good", memory)
}

// publishesA is the same with a handler that does as it is called.
func (w *region) publishesA(handler string, memory int32) lamina.Version {
	v := lamina.Version{
		Scope: scope, Function: "f", Qualifier: lamina.LatestPublished, Incarnation: newEnvironmentID(), Generation: 1, LastModified: time.Now(),
		Config: lamina.FunctionConfig{
			Handler: handler, MemoryMB: memory, TimeoutSec: 3, Architecture: "x86_64",
			Capacity: &lamina.FunctionCapacity{ProviderARN: lamina.CapacityProviderARN(scope, "p0"), MaxConcurrency: 4, GiBPerVCPU: 2},
		},
	}
	w.api("publish f", func(tx *view.Tx) error {
		if err := w.succeed(tx, &v); err != nil {
			return err
		}
		w.check.publishes(v)
		f := lamina.Function{Scope: scope, Name: "f", Config: v.Config}
		return tx.Do(w.lambda.Functions.Put(f.Key(), f), w.lambda.Versions.Put(v.Key(), v))
	})
	return v
}

func (w *region) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *region) status(v lamina.Version) lamina.VersionStatus {
	st, _ := w.lambda.VersionStatus.Get(v.Key())
	return st.Value
}

func (w *region) wantActive(v lamina.Version) {
	w.Helper()
	if st := w.status(v); st.State != lamina.StateActive || st.UpdateStatus != lamina.UpdateSuccessful {
		w.Fatalf("status %+v", st)
	}
}

func (w *region) fail(how drivermem.Launch, in ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.launch)
	for _, zone := range in {
		w.launch[zone] = how
	}
}

var noCapacity = drivermem.Launch{Err: lamina.Errorf(lamina.ReasonInsufficient, "There is no capacity in this zone.")}

func TestAFailingZoneIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		how    drivermem.Launch
		within time.Duration
	}{
		"the driver refuses":         {noCapacity, 5 * time.Second},
		"agents end at once":         {drivermem.Launch{Ends: true}, 5 * time.Second},
		"agents never join":          {drivermem.Launch{Mute: true}, 20 * time.Second},
		"the driver does not answer": {drivermem.Launch{After: time.Hour}, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			// The cap has no room beside the failed launch until that is released.
			scenario(t, 6, func(w *region) {
				w.fail(c.how, zones[1])
				v := w.publishes(2048)
				w.after(c.within)
				w.wantActive(v)
				for _, e := range w.check.ready() {
					if e.instance.Zone == zones[1] {
						t.Errorf("instance %+v", e.instance)
					}
				}
			})
		})
	}
}

func TestTheOnlyZoneGetsAnotherType(t *testing.T) {
	scenario(t, 100, func(w *region) {
		w.api("one zone", func(tx *view.Tx) error {
			p, _ := w.lambda.Providers.At(tx).Get(lamina.Key(scope.Account, scope.Region, "p0"))
			p.Value.SubnetIDs = p.Value.SubnetIDs[:1]
			return tx.Do(w.lambda.Providers.Put(p.Key, p.Value))
		})
		w.mu.Lock()
		w.refuse = "c6a.large"
		w.mu.Unlock()
		v := w.publishes(2048)
		w.after(5 * time.Second)
		w.wantActive(v)
		for _, e := range w.check.ready() {
			if e.instance.Type != "m5.large" {
				t.Errorf("instance %+v", e.instance)
			}
		}
	})
}

func TestWhenAllLaunchesFailTheReasonIsTheirs(t *testing.T) {
	scenario(t, 100, func(w *region) {
		w.fail(noCapacity, zones...)
		v := w.publishes(2048)
		w.after(5 * time.Second)
		st := w.status(v)
		if st.State != lamina.StateFailed || st.ReasonCode != lamina.ReasonInsufficient || st.Reason != "There is no capacity in this zone." {
			t.Errorf("status %+v", st)
		}
		if n := w.instances.Load(); n < 6 || n > 8 { // two may be under way when the sixth fails
			t.Errorf("%d launches were tried, want 6", n)
		}
		if used, _ := w.rows.Allocations.Get(lamina.Key(scope.Account, scope.Region, "p0")); used.Value.VCPUs != 0 {
			t.Errorf("%d vCPUs are held", used.Value.VCPUs)
		}
		w.fail(drivermem.Launch{})
		again := w.publishes(2048) // at once: what failed before it does not count
		w.after(5 * time.Second)
		w.wantActive(again)
	})
}

func TestStuckLaunchesAreBounded(t *testing.T) {
	scenario(t, 100, func(w *region) {
		w.fail(drivermem.Launch{Mute: true}, zones...)
		v := w.publishes(2048)
		w.after(50 * time.Second) // three at a time, six in all, 15 s each, and those under way
		if st := w.status(v); st.State != lamina.StateFailed || st.ReasonCode != lamina.ReasonInsufficient {
			t.Errorf("status %+v", st)
		}
	})
}

func TestAnActiveVersionComesBackWhenLaunchesWorkAgain(t *testing.T) {
	scenario(t, 100, func(w *region) {
		v := w.publishes(2048)
		w.after(5 * time.Second)
		w.fail(noCapacity, zones...)
		w.world.Kill(w.world.IDs()[0])
		w.after(10 * time.Minute)
		w.wantActive(v)
		if n := len(w.check.ready()); n != 2 {
			t.Errorf("%d environments, want 2", n)
		}
		if n := w.instances.Load(); n > 100 {
			t.Errorf("%d launches in ten minutes", n)
		}
		w.fail(drivermem.Launch{})
		w.after(2 * time.Minute)
		if n := len(w.check.ready()); n != 3 {
			t.Errorf("%d environments, want 3", n)
		}
	})
}

func TestANewVersionWaitsForCapacityThatIsComingFree(t *testing.T) {
	scenario(t, 12, func(w *region) {
		v := w.publishes(4096) // three instances of four vCPUs each
		w.after(5 * time.Second)
		w.wantActive(v)
		for _, id := range w.world.IDs() {
			w.fleet.End(id, "for the test", 0)
		}
		w.deleteFunctionOf(functionKey(v))
		w.after(0)
		for w.lambda.Versions.Len() > 0 {
			w.after(time.Millisecond)
		}
		again := w.publishes(4096)
		w.after(10 * time.Second)
		w.wantActive(again)
	})
}

func TestACapTooSmallFailsAtOnce(t *testing.T) {
	scenario(t, 4, func(w *region) {
		v := w.publishes(2048)
		w.after(time.Second)
		if st := w.status(v); st.State != lamina.StateFailed || st.ReasonCode != lamina.ReasonVCPULimit || w.instances.Load() != 0 {
			t.Errorf("status %+v, %d launches", st, w.instances.Load())
		}
	})
}

// TestAStuckEnvironmentIsStruckOff: an agent that does not end what drains holds
// its instance no longer than the timeout and a grace.
func TestAStuckEnvironmentIsStruckOff(t *testing.T) {
	scenario(t, 100, func(w *region) {
		w.mu.Lock()
		w.stuck = 100
		w.mu.Unlock()
		v := w.publishes(2048)
		w.after(5 * time.Second)
		w.wantActive(v)
		w.deleteFunctionOf(functionKey(v))
		w.after(time.Second)
		if n := len(w.check.alive()); n != 3 {
			t.Errorf("%d environments after a second, want 3 stuck ones", n)
		}
		w.after(3*time.Second + drainGrace + emptyGrace)
		if left := w.check.alive(); len(left) > 0 || len(w.world.IDs()) > 0 || w.lambda.Functions.Len() > 0 {
			t.Errorf("left: %+v on %v", left, w.world.IDs())
		}
	})
}

// TestACrashedEnvironmentIsReplacedBeforeItIsGone: its extensions have two seconds
// to end, for which nobody waits, and the one in its place has its room: there is
// none for another instance.
func TestACrashedEnvironmentIsReplacedBeforeItIsGone(t *testing.T) {
	scenario(t, 6, func(w *region) {
		w.mu.Lock()
		w.lingering = 100
		w.mu.Unlock()
		v := w.publishes(2048)
		w.after(5 * time.Second)
		w.wantActive(v)
		before := w.world.IDs()
		old := w.check.ready()[0]
		w.world.Crash(old.instance.ID, old.spec.ID)
		w.after(1600 * time.Millisecond) // an init takes 1.5 s at most
		states := map[wire.EnvironmentState]int{}
		for _, e := range w.check.alive() {
			states[e.state]++
		}
		if states[wire.EnvironmentReady] != 3 || states[wire.EnvironmentDraining] != 1 {
			t.Errorf("%v while the crashed one ends, want 3 ready beside it", states)
		}
		w.after(time.Second)
		if n := len(w.check.alive()); n != 3 || !slices.Equal(w.world.IDs(), before) {
			t.Errorf("%d environments on %v, want 3 on %v", n, w.world.IDs(), before)
		}
	})
}

// TestAnInstanceThatEndsFailsNoVersion: an agent that is told to end by somebody
// else says of its environments that they have ended, for no reason. One that was
// starting is started elsewhere.
func TestAnInstanceThatEndsFailsNoVersion(t *testing.T) {
	scenario(t, 100, func(w *region) {
		w.mu.Lock()
		w.stuck = 100 // so that the agents last while their starting environments end
		w.mu.Unlock()
		v := w.publishes(2048)
		w.after(5 * time.Second)
		w.wantActive(v)
		w.mu.Lock()
		w.initAfter = 10 * time.Second
		w.mu.Unlock()
		v = w.publishes(2048)
		w.after(time.Second)
		for _, id := range w.world.IDs() {
			w.world.Quit(id)
		}
		w.after(2 * time.Minute)
		w.wantActive(v)
		if st := w.status(v); st.Serving != v.Generation {
			t.Errorf("generation %d serves, want %d", st.Serving, v.Generation)
		}
	})
}

// TestARecreatedFunctionNeverMeetsOldEnvironments: while a restarted server does
// not know yet what runs, the function is deleted and made anew, with the same
// key and generation.
func TestARecreatedFunctionNeverMeetsOldEnvironments(t *testing.T) {
	scenario(t, 100, func(w *region) {
		old := w.publishes(2048)
		w.after(5 * time.Second)
		w.wantActive(old)
		w.network.Cut(true)
		w.stop()
		w.start()
		w.after(time.Second)
		w.deleteFunctionOf(functionKey(old))
		w.after(time.Second)
		if w.lambda.Versions.Len() > 0 {
			t.Fatal("the old version is still there, so that the test tests nothing")
		}
		fresh := w.publishes(2048)
		if fresh.Key() != old.Key() || fresh.Generation != old.Generation {
			t.Fatalf("%+v is not like %+v", fresh, old)
		}
		w.after(time.Second)
		w.network.Cut(false)
		w.after(30 * time.Second)
		w.wantActive(fresh)
		for _, e := range w.check.alive() {
			if e.spec.Incarnation != fresh.Incarnation || e.state != wire.EnvironmentReady {
				t.Errorf("environment %s of incarnation %s is %s", e.spec.ID, e.spec.Incarnation, e.state)
			}
		}
	})
}

// TestNothingIsDecidedWhileAnInstanceIsUndecided is DESIGN.md 9.
func TestNothingIsDecidedWhileAnInstanceIsUndecided(t *testing.T) {
	scenario(t, 100, func(w *region) {
		v := w.publishes(2048)
		w.after(5 * time.Second)
		w.network.Cut(true)
		w.stop()
		w.start()
		w.after(9 * time.Second)
		if n := w.instances.Load(); n != 3 {
			t.Errorf("%d launches while three instances are undecided, want none", n-3)
		}
		if n := len(w.check.alive()); n != 3 {
			t.Errorf("%d environments, want 3", n)
		}
		w.network.Cut(false)
		w.after(5 * time.Second)
		w.wantActive(v)
		if n := w.instances.Load(); n != 3 {
			t.Errorf("%d launches after they joined again, want none", n-3)
		}
	})
}

// TestASlowStoreHoldsNoOtherProviderUp: with each commit taking a minute, a dead
// environment still leaves the routes.
func TestASlowStoreHoldsNoOtherProviderUp(t *testing.T) {
	scenario(t, 100, func(w *region) {
		v := w.publishes(2048)
		w.after(5 * time.Second)
		w.check.slow.Store(true)
		w.store.lag.Store(int64(time.Minute))
		w.publishFor("aaa") // whose turn needs commits, and comes first
		w.after(time.Second)
		for _, e := range w.check.ready() { // the other's may be ready too
			if e.spec.VersionKey == v.Key() {
				w.world.Kill(e.instance.ID)
				break
			}
		}
		w.after(2 * roundLimit)
		if routes := w.routes.of(v.Key()); len(routes) != 2 {
			t.Errorf("routes to %v", routes)
		}
		w.store.lag.Store(0)
		w.after(time.Minute)
		w.wantActive(v)
	})
}

// publishFor publishes a function of another provider.
func (w *region) publishFor(provider string) {
	w.api("publish for "+provider, func(tx *view.Tx) error {
		p := lamina.CapacityProvider{Scope: scope, Name: provider, SubnetIDs: []string{"subnet-0"}}
		v := lamina.Version{Scope: scope, Function: "other", Qualifier: lamina.LatestPublished, Incarnation: "other", Generation: 1, LastModified: time.Now()}
		v.Config = lamina.FunctionConfig{
			Handler: "good", MemoryMB: 2048, TimeoutSec: 3, Architecture: "x86_64",
			Capacity: &lamina.FunctionCapacity{ProviderARN: p.ARN(), MaxConcurrency: 4, GiBPerVCPU: 2},
		}
		w.check.publishes(v)
		f := lamina.Function{Scope: scope, Name: "other", Config: v.Config}
		return tx.Do(w.lambda.Providers.Put(p.Key(), p), w.lambda.Functions.Put(f.Key(), f), w.lambda.Versions.Put(v.Key(), v))
	})
}

// Environments are replaced at their age, one after the other, where they were,
// and never without their successor.
func TestEnvironmentsAreReplacedAtTheirAge(t *testing.T) {
	scenario(t, 24, func(w *region) {
		w.envAge = time.Hour
		w.stop()
		w.start()
		v := w.publishes(2048)
		w.after(50 * time.Minute)
		young := w.environments()
		if len(young) != 3 {
			t.Fatalf("environments %v", young)
		}
		for range 120 {
			w.after(10 * time.Second)
			w.wantActive(v)
			if n := len(w.check.ready()); n < 3 {
				t.Errorf("%d environments serve in the middle", n)
			}
			if n := len(w.check.alive()); n > 4 {
				t.Errorf("%d environments at once", n)
			}
		}
		seen := map[string]bool{}
		for _, e := range w.check.ready() {
			seen[e.instance.Zone] = true
			if slices.Contains(young, e.spec.ID) {
				t.Errorf("%s is still there", e.spec.ID)
			}
		}
		if len(seen) != 3 {
			t.Errorf("the new ones are in %v", seen)
		}
	})
}

// One that can't be replaced serves on, and who asks is told why.
func TestWithoutRoomTheAgedServeOn(t *testing.T) {
	scenario(t, 6, func(w *region) {
		w.envAge = time.Hour
		w.stop()
		w.start()
		v := w.publishes(2048)
		w.after(time.Minute)
		young := w.environments()
		w.after(2 * time.Hour)
		w.wantActive(v)
		if now := w.environments(); !slices.Equal(now, young) {
			t.Errorf("%v became %v", young, now)
		}
		if got := w.explained(v); !slices.Equal(got, []string{"rotation-held"}) {
			t.Errorf("explained by %v", got)
		}
	})
}

// environments are those that serve, sorted.
func (w *region) environments() []string {
	var ids []string
	for _, e := range w.check.ready() {
		ids = append(ids, e.spec.ID)
	}
	slices.Sort(ids)
	return ids
}

// explained gives the codes of why a version is as it is.
func (w *region) explained(v lamina.Version) []string {
	p, ok := w.controller.Picture(v.Key())
	if !ok {
		return nil
	}
	var codes []string
	for _, f := range Explain(p) {
		codes = append(codes, f.Code)
	}
	return codes
}

// Instances are replaced at their age, one after the other, and never without
// their successor.
func TestInstancesAreReplacedAtTheirAge(t *testing.T) {
	scenario(t, 8, func(w *region) { // room for one more beside the three
		w.age = time.Hour
		w.stop()
		w.start()
		v := w.publishes(2048)
		w.after(30 * time.Minute)
		young := w.world.IDs()
		w.after(20 * time.Minute)
		if now := w.world.IDs(); !slices.Equal(now, young) {
			t.Errorf("before their time %v became %v", young, now)
		}
		for range 60 {
			w.after(10 * time.Second)
			w.wantActive(v)
			if n := len(w.check.ready()); n < 3 {
				t.Errorf("%d environments serve in the middle", n)
			}
			if n := len(w.world.IDs()); n > 4 {
				t.Errorf("%d instances at once", n)
			}
		}
		w.after(30 * time.Minute)
		for _, id := range w.world.IDs() {
			if slices.Contains(young, id) {
				t.Errorf("%s is still there", id)
			}
		}
		if n := w.instances.Load(); n != 6 {
			t.Errorf("%d launches, want 6", n)
		}
	})
}
