package fleet

import (
	"context"
	"reflect"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// followNetworks has every agent told what its network lets out, whenever that
// may have changed, until ctx ends.
func (f *Fleet) followNetworks(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.cfg.NetworkChanged:
		}
		f.mu.Lock()
		for _, m := range f.members {
			m.session.nudge()
		}
		f.mu.Unlock()
	}
}

// teller remembers what an agent was told of its network.
type teller struct {
	told bool
	last wire.Network
}

func (t *teller) tell(f *Fleet, s *session, inst lamina.Instance) error {
	if f.cfg.Network == nil {
		return nil
	}
	now := f.cfg.Network(inst)
	if t.told && reflect.DeepEqual(now, t.last) {
		return nil
	}
	if err := s.conn.Send(wire.KindNetwork, now); err != nil {
		return err
	}
	t.told, t.last = true, now
	return nil
}

// assignLocked notes what an instance should run, and where each of it is.
func (f *Fleet) assignLocked(m *member, specs []wire.EnvironmentSpec) {
	for _, e := range m.assigned {
		if f.homes[e.ID] == m {
			delete(f.homes, e.ID)
		}
	}
	m.assigned = specs
	for _, e := range specs {
		f.homes[e.ID] = m
	}
}

// InstanceOf is the instance to which an environment is assigned.
func (f *Fleet) InstanceOf(environment string) (lamina.Instance, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.homes[environment]
	if m == nil {
		return lamina.Instance{}, false
	}
	return m.inst, true
}

// Instance is the instance that knows its token.
func (f *Fleet) Instance(id, token string) (lamina.Instance, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[id]
	if m == nil || m.inst.Token != token {
		return lamina.Instance{}, false
	}
	return m.inst, true
}
