package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

// member is one instance with what is known of it. Its fields are guarded by
// Fleet.mu; one goroutine, live, owns its life.
type member struct {
	inst    lamina.Instance
	adopted bool

	session    *session      // nil while its agent has none
	leftAt     time.Time     // when it lost the last one
	joined     chan struct{} // closed at the first Hello
	everJoined bool
	addr       string
	envs       map[string]wire.EnvironmentStatus
	reported   time.Time // when its agent last said anything
	silent     bool      // it has a session and has said nothing for silentLimit
	hostCPU    float64
	assigned   []wire.EnvironmentSpec
	told       bool // assigned is this server's word, not what the agent brought along
	generation int64

	end    chan struct{} // closed when it shall end
	ending bool
	reason string
	grace  time.Duration
	gone   chan struct{} // closed when the driver says so
	isGone bool
}

func newMember(inst lamina.Instance, adopted bool) *member {
	return &member{
		inst: inst, adopted: adopted, envs: map[string]wire.EnvironmentStatus{},
		joined: make(chan struct{}), end: make(chan struct{}), gone: make(chan struct{}),
	}
}

func (m *member) snapshot() Member {
	return Member{
		Instance: m.inst, Joined: m.everJoined, Connected: m.session != nil, Reported: m.reported, Silent: m.silent, HostCPU: m.hostCPU, Undecided: m.adopted && !m.everJoined && !m.ending,
		Ending: m.ending || m.isGone, InvokeAddr: m.addr,
		Assigned: m.assigned, Environments: m.envs, // made anew when they change
	}
}

func (m *member) endLocked(reason string, grace time.Duration) {
	if m.ending {
		return
	}
	m.ending, m.reason, m.grace = true, reason, grace
	close(m.end)
}

func (m *member) goneLocked() {
	if !m.isGone {
		m.isGone = true
		close(m.gone)
	}
}

// follow starts the goroutine that owns the instance's life.
func (f *Fleet) follow(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.members[m.inst.ID] != nil || f.ctx.Err() != nil {
		return // the next start finds the record
	}
	if f.closing {
		m.endLocked("the server stops", 0)
	}
	f.members[m.inst.ID] = m
	ctx := f.ctx
	f.work.Go(func() error { f.live(ctx, m); return nil })
}

// live is an instance from its launch or adoption to the last trace of it.
func (f *Fleet) live(ctx context.Context, m *member) {
	if reason, ok := f.start(ctx, m); ok {
		reason = f.present(ctx, m)
		if ctx.Err() != nil && !m.hasEnded() {
			return // the server goes, the instance stays
		}
		f.say(m, reason)
	} else {
		f.say(m, reason)
	}
	f.changed()
	f.cleanUp(ctx, m)
}

// hasEnded is for the instance's own goroutine.
func (m *member) hasEnded() bool {
	select {
	case <-m.end:
		return true
	case <-m.gone:
		return true
	default:
		return false
	}
}

// say keeps the first reason and marks the instance as ending.
func (f *Fleet) say(m *member, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m.endLocked(reason, 0)
}

// start launches or adopts; ok is false when there is nothing to wait for.
func (f *Fleet) start(ctx context.Context, m *member) (reason string, ok bool) {
	id := m.inst.ID
	if m.adopted {
		if err := f.cfg.Driver.Adopt(ctx, id, m.inst.Handle); err != nil {
			return fmt.Sprintf("it could not be adopted: %v", err), false
		}
		return "", m.inst.State != lamina.InstanceShuttingDown
	}
	f.journal(m.inst, opLaunching, "Launching %[1]s instance in %[3]s")
	launching, cancel := context.WithTimeout(ctx, launchLimit)
	defer cancel()
	handle, err := f.cfg.Driver.Launch(launching, driver.Spec{Instance: m.inst, ServerAddr: f.cfg.ServerAddr, Orphan: f.cfg.Orphan, Settings: f.cfg.Settings})
	if err != nil {
		f.cfg.Log.Warn("instance launch failed", "instance", id, "type", m.inst.Type, "zone", m.inst.Zone, "error", err)
		code, text := launchReason(err)
		return f.launchFailed(m, code, text), false
	}
	f.mu.Lock()
	m.inst.Handle = handle
	f.mu.Unlock()
	f.update(ctx, m, func(i *lamina.Instance) { i.Handle = handle })
	return "", true
}

// launchReason is the driver's own explanation where it gives one.
func launchReason(err error) (code, text string) {
	if e, ok := errors.AsType[*lamina.Error](err); ok {
		return e.Code, e.Message
	}
	return lamina.ReasonInsufficient, fmt.Sprintf("launch failed: %v", err)
}

// present waits for the agent to join and then for the instance's end.
func (f *Fleet) present(ctx context.Context, m *member) (reason string) {
	limit := joinLimit
	if m.adopted {
		limit = adoptLimit
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-m.joined:
		f.update(ctx, m, func(i *lamina.Instance) { i.State = lamina.InstanceRunning })
		if !m.adopted {
			f.journal(m.inst, opLaunched, "Successfully launched %[1]s instance %[2]s in %[3]s")
		}
		f.changed()
	case <-m.end:
		return m.reason
	case <-m.gone:
		return f.launchFailed(m, lamina.ReasonInsufficient, lamina.TextAgentEnded+"; its log is in the instance's folder")
	case <-timer.C:
		return f.launchFailed(m, lamina.ReasonInsufficient, fmt.Sprintf(lamina.TextAgentSilent+" %v; its log is in the instance's folder", limit))
	case <-ctx.Done():
		return ""
	}
	select {
	case <-m.end:
		return m.reason
	case <-m.gone:
		return f.endedEarly(m)
	case <-ctx.Done():
		return ""
	}
}

const (
	earlyEnd  = 10 * time.Second // an agent that ends so soon after its launch may never have worked
	earlyEnds = 5                // in a row: something is wrong with this host, not with one instance
)

// endedEarly tells an instance that somebody killed from a host on which none lives.
func (f *Fleet) endedEarly(m *member) string {
	const text = "its agent ended unexpectedly"
	f.cfg.Log.Warn("instance died", "instance", m.inst.ID, "zone", m.inst.Zone)
	f.journal(m.inst, opHealthCheckFailed, "Instance %[2]s (%[1]s in %[3]s) failed its health check: "+text+" - the system will replace it")
	f.mu.Lock()
	key := m.inst.ProviderKey()
	if f.cfg.Clock().Sub(m.inst.LaunchedAt) > earlyEnd {
		delete(f.early, key)
	} else {
		f.early[key]++
	}
	if f.early[key] >= earlyEnds {
		delete(f.early, key)
		f.failed = append(f.failed, LaunchFailure{ProviderKey: key, Code: lamina.ReasonInsufficient, Text: fmt.Sprintf(
			"%d "+lamina.TextAgentsEnd+"; the agents' logs in the data folder say why", earlyEnds)})
	}
	f.mu.Unlock()
	return text
}

// cleanUp ends the processes and then the record, however often it takes.
func (f *Fleet) cleanUp(ctx context.Context, m *member) {
	ctx = context.WithoutCancel(ctx)
	f.update(ctx, m, func(i *lamina.Instance) { i.State, i.Reason = lamina.InstanceShuttingDown, m.reason })
	f.journal(m.inst, opTerminating, "Terminating %[1]s instance %[2]s in %[3]s")
	f.askToEnd(m)
	for {
		err := f.terminate(ctx, m.inst.ID, m.inst.Handle)
		if err == nil {
			err = f.release(ctx, m)
		}
		if err == nil {
			break
		}
		f.cfg.Log.Warn("instance is not gone yet", "instance", m.inst.ID, "error", err)
		f.journal(m.inst, opTerminateFailed, "Failed to terminate %[1]s instance %[2]s in %[3]s - the system will retry")
		select {
		case <-time.After(retryPause):
		case <-f.ctx.Done():
			return // the next start goes on from the record
		}
	}
	f.journal(m.inst, opTerminated, "Successfully terminated %[1]s instance %[2]s in %[3]s")
	f.mu.Lock()
	delete(f.members, m.inst.ID)
	f.assignLocked(m, nil)
	if m.session != nil {
		m.session.conn.Close()
	}
	f.mu.Unlock()
	f.changed()
}

func (f *Fleet) terminate(ctx context.Context, id, handle string) error {
	ctx, cancel := context.WithTimeout(ctx, terminateLimit)
	defer cancel()
	return f.cfg.Driver.Terminate(ctx, id, handle)
}

// askToEnd lets running invocations finish within the grace.
func (f *Fleet) askToEnd(m *member) {
	f.mu.Lock()
	s, grace, gone := m.session, m.grace, m.isGone
	f.mu.Unlock()
	if s == nil || gone || grace <= 0 || s.conn.Send(wire.KindShutdown, wire.Shutdown{Grace: grace}) != nil {
		return
	}
	select {
	case <-m.gone:
	case <-time.After(grace + time.Second):
	}
}

// release is the counterpart of record.
func (f *Fleet) release(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	_, err := f.cfg.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := f.cfg.Tables.Instances.At(tx).Get(m.inst.Key())
		if !ok || row.Value.Ended() {
			return nil
		}
		inst := row.Value
		inst.State, inst.EndedAt, inst.Reason = lamina.InstanceTerminated, f.cfg.Clock(), m.reason
		tx.Guard(f.cfg.Tables.Instances.AtRevision(row))
		if inst.SubnetID != "" {
			eni := lamina.NetworkInterface{Scope: inst.Scope, SubnetID: inst.SubnetID, ID: inst.InterfaceID}
			_ = tx.Do(f.cfg.Interfaces.Delete(eni.Key()))
		}
		if alloc, ok := f.cfg.Tables.Allocations.At(tx).Get(inst.ProviderKey()); ok {
			tx.Guard(f.cfg.Tables.Allocations.AtRevision(alloc))
			_ = tx.Do(f.cfg.Tables.Allocations.Put(alloc.Key, lamina.Allocation{VCPUs: max(0, alloc.Value.VCPUs-inst.VCPUs)}))
		}
		return tx.Do(f.cfg.Tables.Instances.Put(row.Key, inst))
	})
	if err != nil {
		return fmt.Errorf("release instance %s: %w", m.inst.ID, err)
	}
	return nil
}

// update changes the record; a failure is only a picture that is out of date,
// since cleanUp repeats what matters.
func (f *Fleet) update(ctx context.Context, m *member, change func(*lamina.Instance)) {
	ctx, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	f.mu.Lock()
	change(&m.inst)
	key := m.inst.Key()
	f.mu.Unlock()
	_, err := f.cfg.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := f.cfg.Tables.Instances.At(tx).Get(key)
		if !ok || row.Value.Ended() {
			return nil
		}
		inst := row.Value
		change(&inst)
		tx.Guard(f.cfg.Tables.Instances.AtRevision(row))
		return tx.Do(f.cfg.Tables.Instances.Put(row.Key, inst))
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		f.cfg.Log.Warn("instance record is out of date", "instance", m.inst.ID, "error", err)
	}
}

func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
