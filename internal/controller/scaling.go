package controller

import (
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/scaler"
)

// scaling is what is remembered of a version's load.
type scaling struct {
	state   scaler.State
	signals scaler.Signals
	latest  scaler.Decision
	cramped int64 // the generation that found room for its minimum only
}

const (
	staleAfter = 3 * time.Second // without a word from the agent of a busy environment (it reports four times a second)
	hostFull   = 0.95            // use of the machine from which more environments would not help
)

// scale asks the scaler how many environments a version should have.
func (c *Controller) scale(r *round, g *group, s *situation) {
	key := s.version.Key()
	memory := c.scaling[key]
	if memory == nil {
		memory = &scaling{}
		c.scaling[key] = memory
	}
	s.load = c.cfg.Routes.Load(key)
	now := c.cfg.Clock()
	in := signals(r.members, s.envs, s.status.Serving, s.load, now)
	in.Blind = in.Blind || g.undecided
	before := memory.latest
	memory.signals = in
	memory.state, memory.latest = memory.state.Managed(in, boundsOf(s.bounds, g.provider), now)
	s.want, s.cramped = memory.latest.Want, memory.cramped == s.version.Generation
	c.logScaling(s.version, before, memory.latest)
	if !memory.latest.Due.IsZero() {
		c.due(memory.latest.Due)
	}
}

func (c *Controller) logScaling(v lamina.Version, before, now scaler.Decision) {
	switch {
	case before.Cause == "": // the first look
	case now.Cause == scaler.HostLimit && before.Cause != scaler.HostLimit:
		c.cfg.Log.Warn("CPU use asks for more environments, but this machine has no CPU left: they would not help", "version", v.ARN(), "have", now.Want)
	case before.Want != now.Want:
		c.cfg.Log.Info("version scales", "version", v.ARN(), "from", before.Want, "to", now.Want, "cause", now.Cause)
	}
}

// cramp remembers that the newest generation has to start with its minimum; false
// when it was known already.
func (c *Controller) cramp(v lamina.Version) bool {
	memory := c.scaling[v.Key()]
	if memory == nil || memory.cramped == v.Generation {
		return false
	}
	memory.cramped = v.Generation
	c.due(c.cfg.Clock())
	return true
}

// boundsOf a version on its provider.
func boundsOf(b *lamina.ScalingConfig, p lamina.CapacityProvider) scaler.Bounds {
	return scaler.Bounds{Min: b.Minimum(), Max: b.Maximum(), Target: p.CPUTarget()}
}

// signals is the load of a version as its serving generation feels it.
func signals(members map[string]fleet.Member, envs []environment, serving int64, load lamina.Load, now time.Time) scaler.Signals {
	in := scaler.Signals{InFlight: load.InFlight, Served: load.Served, Refused: load.Refused}
	for _, e := range envs {
		if e.spec.Generation != serving || e.spec.Draining || e.ended() {
			continue
		}
		if !e.ready() {
			in.Starting++
			continue
		}
		m := members[e.instance]
		in.Serving++
		in.Slots += e.spec.Slots
		in.CPU += e.status.CPU
		busy := load.Environments[e.spec.ID].InFlight > 0
		in.Blind = in.Blind || !m.Connected || (busy && now.Sub(m.Reported) > staleAfter)
		in.HostSaturated = in.HostSaturated || m.HostCPU >= hostFull
	}
	if in.Serving > 0 {
		in.CPU /= float64(in.Serving)
	}
	return in
}
