package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

func TestLaunchedInstanceJoinsAndRunsWhatItIsAssigned(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		id := p.running(1)
		inst := p.record(id)
		if inst.State != lamina.InstanceRunning || inst.Handle == "" || inst.PrivateIP != "10.0.0.4" || inst.VPCID != "vpc-1" || inst.Token == "" {
			p.Errorf("record %+v", inst)
		}
		p.wantHeld(2, 1)
		p.fleet.Assign(id, []wire.EnvironmentSpec{environment("a"), environment("b")})
		p.after(time.Second)
		m := p.fleet.Members()[id]
		if len(m.Environments) != 2 || m.Environments["a"].State != wire.EnvironmentReady || len(m.Assigned) != 2 || m.InvokeAddr == "" {
			p.Fatalf("member %+v", m)
		}
		draining := environment("a")
		draining.Draining = true
		p.fleet.Assign(id, []wire.EnvironmentSpec{draining, environment("b")})
		p.after(time.Second)
		if m := p.fleet.Members()[id]; m.Environments["a"].State != wire.EnvironmentEnded || m.Environments["b"].State != wire.EnvironmentReady {
			p.Errorf("after draining a: %+v", m.Environments)
		}
		p.fleet.Assign(id, []wire.EnvironmentSpec{environment("b")})
		p.after(time.Second)
		if m := p.fleet.Members()[id]; len(m.Environments) != 1 {
			p.Errorf("the ended one is still told of: %+v", m.Environments)
		}
	})
}

func TestStrangersAreRefused(t *testing.T) {
	mute := func(driver.Spec) drivermem.Launch { return drivermem.Launch{Mute: true} }
	inBubble(t, drivermem.Config{Launch: mute}, func(p *place) {
		id, err := p.launch(1)
		if err != nil {
			p.Fatal(err)
		}
		p.after(time.Second)
		inst := p.record(id)
		for what, change := range map[string]func(*wire.Hello){
			"a wrong token":       func(h *wire.Hello) { h.Token = "guessed" },
			"no token":            func(h *wire.Hello) { h.Token = "" },
			"an unknown instance": func(h *wire.Hello) { h.InstanceID = "i-2" },
		} {
			conn, welcome := p.dialAs(inst, change)
			if welcome.Refused == "" {
				p.Errorf("%s is welcome", what)
			}
			conn.Close()
		}
		if m := p.fleet.Members()[id]; m.Joined || m.Ending {
			p.Errorf("member %+v", m)
		}
		conn, welcome := p.dialAs(inst, func(h *wire.Hello) { h.Protocol++ })
		defer conn.Close()
		if welcome.Refused == "" {
			p.Error("another protocol is welcome")
		}
		p.after(time.Second)
		p.wantEnded(id) // and is replaced by one of this version
		p.wantHeld(0, 0)
	})
}

func TestOneWithoutAFirstWordIsHungUpOn(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		raw, err := p.network.Dial(p.Context(), serverAddr)
		if err != nil {
			p.Fatal(err)
		}
		if _, err := raw.Read(make([]byte, 1)); err == nil {
			p.Error("the server spoke first")
		}
	})
}

func TestLostSessionChangesNothing(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		id := p.running(1)
		p.fleet.Assign(id, []wire.EnvironmentSpec{environment("a")})
		p.after(time.Second)
		before := p.record(id)
		p.world.Sever(id)
		// What is decided meanwhile reaches it with the next session.
		p.fleet.Assign(id, []wire.EnvironmentSpec{environment("a"), environment("b")})
		p.after(time.Second)
		m := p.fleet.Members()[id]
		if !m.Joined || m.Undecided || m.Environments["a"].State != wire.EnvironmentReady || m.Environments["b"].State != wire.EnvironmentReady {
			p.Errorf("member %+v", m)
		}
		if now := p.record(id); now != before {
			p.Errorf("record %+v, was %+v", now, before)
		}
		p.wantHeld(2, 1)
	})
}

func TestAnAgentLostForLongIsEnded(t *testing.T) {
	inBubble(t, drivermem.Config{Launch: func(driver.Spec) drivermem.Launch { return drivermem.Launch{Mute: true} }}, func(p *place) {
		id, err := p.launch(1)
		if err != nil {
			p.Fatal(err)
		}
		p.after(time.Second)
		conn, _ := p.dialAs(p.record(id), nil)
		p.after(time.Second)
		conn.Close()
		p.after(40 * time.Second)
		if !p.fleet.Members()[id].Joined {
			p.Fatal("given up too soon")
		}
		p.after(15 * time.Second)
		p.wantEnded(id)
		p.wantHeld(0, 0)
	})
}

func TestAnAgentThatReadsNothingHoldsNobodyUp(t *testing.T) {
	inBubble(t, drivermem.Config{Launch: func(driver.Spec) drivermem.Launch { return drivermem.Launch{Mute: true} }}, func(p *place) {
		id, err := p.launch(1)
		if err != nil {
			p.Fatal(err)
		}
		p.after(time.Second)
		conn, _ := p.dialAs(p.record(id), nil)
		defer conn.Close()
		p.after(time.Second)
		start := time.Now()
		for range 3 {
			p.fleet.Assign(id, []wire.EnvironmentSpec{environment("a")})
		}
		if waited := time.Since(start); waited != 0 {
			p.Errorf("waited %v for it", waited)
		}
		p.after(20 * time.Second)
		if _, _, err := conn.Receive(); err == nil {
			p.Error("its session goes on")
		}
	})
}

func TestGoneInstanceReleasesWhatItHeld(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		one, two := p.running(1), p.running(2)
		p.wantHeld(4, 2)
		p.world.Kill(one)
		p.after(time.Second)
		p.wantEnded(one)
		p.wantHeld(2, 1)
		p.fleet.End(two, "for the test", time.Second)
		p.after(5 * time.Second)
		p.wantEnded(two)
		p.wantHeld(0, 0)
		if failures := p.fleet.LaunchFailures(); len(failures) != 0 {
			p.Errorf("told as failures: %+v", failures)
		}
	})
}

func TestRecordIsForgottenAfterAnHour(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		p.world.Kill(p.running(1))
		p.after(59 * time.Minute)
		if p.rows.Instances.Len() != 1 {
			p.Error("the record went too soon")
		}
		p.after(2 * time.Minute)
		if p.rows.Instances.Len() != 0 {
			p.Error("the record stays")
		}
	})
}

func TestRestartedServerAdopts(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		id := p.running(1)
		p.fleet.Assign(id, []wire.EnvironmentSpec{environment("a")})
		p.after(time.Second)
		p.stop()
		p.after(20 * time.Second)
		p.start()
		if m := p.fleet.Members()[id]; !m.Undecided || m.Joined {
			p.Errorf("at once after the start: %+v", m)
		}
		p.after(time.Second)
		m := p.fleet.Members()[id]
		if m.Undecided || !m.Joined || m.Environments["a"].State != wire.EnvironmentReady {
			p.Errorf("after it joined again: %+v", m)
		}
		if len(m.Assigned) != 1 || m.Assigned[0].ID != "a" || m.Assigned[0].Incarnation != "first" {
			p.Errorf("assigned %+v, want what it brought along", m.Assigned)
		}
		p.after(time.Minute)
		p.wantHeld(2, 1)
		p.world.Kill(id) // the adopted one is watched
		p.after(time.Second)
		p.wantEnded(id)
		p.wantHeld(0, 0)
	})
}

func TestAfterARestartWhatDiedMeanwhileIsReleased(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		dead, living := p.running(1), p.running(2)
		p.stop()
		p.world.Kill(dead)
		p.start()
		p.after(time.Second)
		p.wantEnded(dead)
		p.wantHeld(2, 1)
		if m := p.fleet.Members()[living]; !m.Joined {
			p.Errorf("the other one: %+v", m)
		}
	})
}

func TestUndecidedForTenSecondsAtMost(t *testing.T) {
	inBubble(t, drivermem.Config{Launch: func(driver.Spec) drivermem.Launch { return drivermem.Launch{Mute: true} }}, func(p *place) {
		id, err := p.launch(1)
		if err != nil {
			p.Fatal(err)
		}
		p.after(time.Second)
		p.stop()
		p.start()
		p.after(9 * time.Second)
		if m := p.fleet.Members()[id]; !m.Undecided {
			p.Fatalf("decided after 9 s: %+v", m)
		}
		p.after(2 * time.Second)
		p.wantEnded(id)
		p.wantHeld(0, 0)
		if failures := p.fleet.LaunchFailures(); len(failures) != 0 {
			p.Errorf("an earlier server's launch counts as a failure: %+v", failures)
		}
	})
}

func TestUnrecordedInstanceIsEndedAtStart(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		p.stop()
		d := p.world.Open()
		if _, err := d.Launch(p.Context(), driver.Spec{Instance: lamina.Instance{ID: "i-stray"}, ServerAddr: serverAddr}); err != nil {
			p.Fatal(err)
		}
		p.start()
		p.after(time.Second)
		if left := p.world.IDs(); len(left) != 0 {
			p.Errorf("left: %v", left)
		}
	})
}

func TestShutdownEndsAllAndLaunchesNothingMore(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		ids := []string{p.running(1), p.running(2)}
		if err := p.fleet.Shutdown(p.Context(), 2*time.Second); err != nil {
			p.Fatal(err)
		}
		for _, id := range ids {
			p.wantEnded(id)
		}
		p.wantHeld(0, 0)
		if _, err := p.launch(3); !errors.Is(err, fleet.ErrClosing) {
			p.Errorf("a launch afterwards: %v", err)
		}
	})
}

// slowStore lets commits that write under a prefix take long; they happen all the same.
type slowStore struct {
	store.Store
	slow func(store.Batch) time.Duration
}

func (s *slowStore) Commit(ctx context.Context, b store.Batch) (int64, error) {
	rev, err := s.Store.Commit(ctx, b)
	select {
	case <-time.After(s.slow(b)):
		return rev, err
	case <-ctx.Done():
		return 0, fmt.Errorf("no answer to the commit yet: %w", context.Cause(ctx))
	}
}

func TestShutdownWaitsForALaunchInTheMiddle(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		p.stop()
		p.store = &slowStore{p.store, func(store.Batch) time.Duration { return time.Second }}
		p.start()
		launched := make(chan error, 1)
		go func() { _, err := p.launch(1); launched <- err }()
		p.after(500 * time.Millisecond)
		if err := p.fleet.Shutdown(p.Context(), 0); err != nil {
			p.Fatal(err)
		}
		if err := <-launched; err != nil {
			p.Error(err)
		}
		p.after(time.Second)
		p.wantEnded("i-1")
		p.wantHeld(0, 0)
	})
}

func TestALaunchWhoseCommitWasGivenUpLeaksNothing(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		p.stop()
		var quick atomic.Bool
		p.store = &slowStore{p.store, func(store.Batch) time.Duration {
			if !quick.Load() {
				return time.Minute
			}
			return 0
		}}
		p.start()
		ctx, cancel := context.WithTimeout(p.Context(), time.Second)
		defer cancel()
		err := p.fleet.Launch(ctx, provider(8), lamina.Instance{Scope: scope, ID: "i-1", Provider: "p", VCPUs: 2, SubnetID: "subnet-1"})
		if !errors.Is(err, context.DeadlineExceeded) {
			p.Fatalf("launch: %v", err)
		}
		quick.Store(true)
		p.after(10 * time.Second)
		p.wantEnded("i-1")
		p.wantHeld(0, 0)
		if len(p.world.IDs()) != 0 {
			p.Error("it was launched")
		}
	})
}

func TestFailedLaunchesFreeTheirShare(t *testing.T) {
	explained := lamina.Errorf(lamina.ReasonInsufficient, "This host bears no more.")
	for name, c := range map[string]struct {
		launch     drivermem.Launch
		after      time.Duration
		code, text string
	}{
		"the driver explains":            {drivermem.Launch{Err: explained}, time.Second, lamina.ReasonInsufficient, explained.Message},
		"the driver's fault":             {drivermem.Launch{Err: errors.New("fork: no")}, time.Second, lamina.ReasonInsufficient, "launch failed: launch i-1: fork: no"},
		"the driver hangs":               {drivermem.Launch{After: time.Hour}, 16 * time.Second, lamina.ReasonInsufficient, "launch failed: launch i-1: context deadline exceeded"},
		"the agent never says Hello":     {drivermem.Launch{Mute: true}, 16 * time.Second, lamina.ReasonInsufficient, "its agent did not join within 15s; its log is in the instance's folder"},
		"the agent ends before it joins": {drivermem.Launch{Ends: true}, time.Second, lamina.ReasonInsufficient, "its agent ended before it joined; its log is in the instance's folder"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, drivermem.Config{Launch: func(driver.Spec) drivermem.Launch { return c.launch }}, func(p *place) {
				id, err := p.launch(1)
				if err != nil {
					p.Fatal(err)
				}
				p.after(c.after)
				p.wantEnded(id)
				p.wantHeld(0, 0)
				want := fleet.LaunchFailure{ProviderKey: provider(8).Key(), Zone: "us-east-1a", Type: "m5.large", Code: c.code, Text: c.text}
				if got := p.fleet.LaunchFailures(); len(got) != 1 || got[0] != want {
					p.Errorf("failures %+v, want %+v", got, want)
				}
				if again := p.fleet.LaunchFailures(); len(again) != 0 {
					p.Errorf("told twice: %+v", again)
				}
			})
		})
	}
}

func TestFiveEarlyEndsInARowAreTheHostsFault(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		for n := range 5 {
			if failures := p.fleet.LaunchFailures(); len(failures) != 0 {
				p.Fatalf("after %d: %+v", n, failures)
			}
			p.world.Kill(p.running(n))
			p.after(time.Second)
		}
		if failures := p.fleet.LaunchFailures(); len(failures) != 1 || failures[0].Zone != "" || failures[0].Type != "" {
			p.Errorf("failures %+v", failures)
		}
	})
}

func TestTheCapIsTheOneOfThatMoment(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		for n := range 3 {
			p.running(n)
		}
		change := func(to lamina.CapacityProvider) {
			p.must(p.view.Update(p.Context(), func(tx *view.Tx) error { return tx.Do(p.providers.Put(to.Key(), to)) }))
		}
		change(provider(6)) // the caller still believes in 8
		if _, err := p.launch(4); lamina.ErrorCode(err) != lamina.ReasonVCPULimit {
			p.Errorf("above the lowered cap: %v", err)
		}
		going := provider(8)
		going.Deleting = true
		change(going)
		if _, err := p.launch(5); lamina.ErrorCode(err) != lamina.ReasonInsufficient {
			p.Errorf("for a provider that is being deleted: %v", err)
		}
		p.wantHeld(6, 3)
		change(provider(8))
		p.running(6)
		if _, err := p.launch(7); lamina.ErrorCode(err) != lamina.ReasonVCPULimit {
			p.Errorf("above the cap: %v", err)
		}
		p.wantHeld(8, 4)
	})
}

func TestRefusedLaunchLeavesNothing(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		tiny := lamina.Subnet{Scope: scope, ID: "subnet-1", CIDR: "10.0.0.0/29"} // three addresses
		p.must(p.view.Update(p.Context(), func(tx *view.Tx) error { return tx.Do(p.subnets.Put(tiny.Key(), tiny)) }))
		for n := range 3 {
			p.running(n)
		}
		if _, err := p.launch(4); lamina.ErrorCode(err) != lamina.ReasonNoAddresses {
			p.Errorf("without an address: %v", err)
		}
		p.must(p.view.Update(p.Context(), func(tx *view.Tx) error { return tx.Do(p.subnets.Delete(tiny.Key())) }))
		if _, err := p.launch(5); lamina.ErrorCode(err) != lamina.ReasonInvalidSubnet {
			p.Errorf("without a subnet: %v", err)
		}
		p.wantHeld(6, 3)
		if n := p.rows.Instances.Len(); n != 3 {
			p.Errorf("%d records", n)
		}
	})
}

func TestPackagesAreForInstancesOfThisFleet(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		inst := p.record(p.running(1))
		for name, c := range map[string]struct {
			req  wire.BlobRequest
			size int
			err  bool
		}{
			"its package":         {wire.BlobRequest{InstanceID: inst.ID, Token: inst.Token, SHA256: "known"}, packageSize, false},
			"one that is missing": {wire.BlobRequest{InstanceID: inst.ID, Token: inst.Token, SHA256: "unknown"}, 0, true},
			"with a wrong token":  {wire.BlobRequest{InstanceID: inst.ID, Token: "guessed", SHA256: "known"}, 0, true},
			"an unknown instance": {wire.BlobRequest{InstanceID: "i-2", SHA256: "known"}, 0, true},
		} {
			if size, err := p.fetch(c.req); size != c.size || (err != "") != c.err {
				p.Errorf("%s: %d bytes, error %q", name, size, err)
			}
		}
	})
}

// fetch asks for a package as an agent does.
func (p *place) fetch(req wire.BlobRequest) (size int, refused string) {
	p.Helper()
	raw, err := p.network.Dial(p.Context(), serverAddr)
	if err != nil {
		p.Fatal(err)
	}
	conn := wire.NewConn(raw)
	defer conn.Close()
	if err := conn.Send(wire.KindBlobRequest, req); err != nil {
		p.Fatal(err)
	}
	for {
		_, body, err := conn.Receive()
		if err != nil {
			p.Fatal(err)
		}
		chunk, err := wire.Decode[wire.BlobChunk](body)
		if err != nil || chunk.Error != "" || len(chunk.Data) == 0 {
			return size, chunk.Error
		}
		size += len(chunk.Data)
	}
}

// An agent that its server does not know ends itself with all it runs. The look
// through the records takes a while, and agents dial as soon as there is a socket.
func TestNoAgentIsHeardBeforeTheRecordsAreRead(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		p.running(1)
		for batch := range 50 {
			p.must(p.view.Update(p.Context(), func(tx *view.Tx) error {
				for n := range 100 {
					ended := lamina.Instance{Scope: scope, ID: fmt.Sprintf("i-0-%d-%d", batch, n), Provider: "p", State: lamina.InstanceTerminated, EndedAt: time.Now()}
					if err := tx.Do(p.rows.Instances.Put(ended.Key(), ended)); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for range 10 {
			p.stop()
			p.start() // its listener looks
			p.after(2 * time.Second)
			if m := p.fleet.Members()["i-1"]; !m.Connected {
				p.Fatalf("after a restart: %+v", m)
			}
		}
	})
}

func TestAServerWhoseClockWasPutBackIsHeeded(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		id := p.running(1)
		p.fleet.Assign(id, []wire.EnvironmentSpec{environment("a")})
		p.after(time.Second)
		p.stop()
		p.paused.Store(-int64(time.Hour))
		p.start()
		p.after(2 * time.Second)
		p.fleet.Assign(id, []wire.EnvironmentSpec{environment("a"), environment("b")})
		p.after(time.Second)
		if m := p.fleet.Members()[id]; m.Environments["b"].State != wire.EnvironmentReady {
			p.Errorf("after a restart with an earlier clock: %+v", m)
		}
	})
}
