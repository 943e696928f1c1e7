package controller

import (
	"slices"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/scheduler"
	"github.com/lamina-dev/lamina/internal/wire"
)

// failedLaunch is what the scheduler hears of a launch that came to nothing.
type failedLaunch struct {
	scheduler.Failure
	at time.Time
}

// launchFailures remembers launches that came to nothing, so that they are tried
// in another zone or type. The hidden fleet has neither: there, who waits is told.
func (c *Controller) launchFailures(r *round) {
	now := c.cfg.Clock()
	for key, list := range c.launches {
		list = slices.DeleteFunc(list, func(l failedLaunch) bool { return now.Sub(l.at) > launchMemory })
		if c.launches[key] = list; len(list) == 0 {
			delete(c.launches, key)
		}
	}
	for _, lost := range c.cfg.Fleet.LaunchFailures() {
		g := r.group(lost.ProviderKey)
		switch {
		case g == nil:
		case g.provider.Hidden:
			for _, v := range g.versions {
				c.cfg.Routes.Fail(v.Key(), "Sandbox.Failure", lost.Text)
			}
		default:
			c.launches[lost.ProviderKey] = append(c.launches[lost.ProviderKey], failedLaunch{scheduler.Failure{
				Zone: lost.Zone, Type: lost.Type, Refusal: scheduler.Refusal{Code: lost.Code, Text: lost.Text},
			}, now})
		}
	}
}

// failedLaunches are those that count for a version: a new publish tries anew
// what failed before it, and fails when nothing is left to try; a version that
// serves goes on trying.
func (c *Controller) failedLaunches(p lamina.CapacityProvider, v lamina.Version, bringingUp bool) []scheduler.Failure {
	var out []scheduler.Failure
	type place struct{ zone, kind string }
	pause := map[place]time.Duration{}
	for _, l := range c.launches[p.Key()] {
		at := place{l.Zone, l.Type}
		pause[at] = min(launchAgainMost, max(launchAgain, 2*pause[at]))
	}
	for _, l := range c.launches[p.Key()] {
		counts := c.cfg.Clock().Sub(l.at) < pause[place{l.Zone, l.Type}]
		if bringingUp {
			counts = !l.at.Before(v.LastModified)
		}
		if counts {
			out = append(out, l.Failure)
		}
	}
	return out
}

// mayComeFree says whether what a new version lacks is still held by instances
// on their way out, or by some that hold nothing any more.
func (c *Controller) mayComeFree(r *round, g *group, v lamina.Version, refusal *scheduler.Refusal) bool {
	if refusal.Code != lamina.ReasonVCPULimit && refusal.Code != lamina.ReasonNoAddresses {
		return false
	}
	ending := slices.ContainsFunc(g.instances, func(id string) bool {
		stays := func(s wire.EnvironmentSpec) bool { return !s.Draining }
		return r.members[id].Ending || !slices.ContainsFunc(r.assigned(id), stays)
	})
	return ending && c.cfg.Clock().Sub(v.LastModified) < endingPatience
}
