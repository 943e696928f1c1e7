package controller

import (
	"maps"
	"time"
)

// strikeOff takes environments off their instance that have drained for longer
// than any invocation can last: no handler holds an instance for ever. The agent
// ends at once what it is no longer assigned; an instance that holds nothing
// more is ended, by its driver if the agent does not answer.
func (c *Controller) strikeOff(r *round, g *group) {
	now := c.cfg.Clock()
	for _, id := range g.instances {
		if r.members[id].Ending {
			continue
		}
		for _, spec := range r.assigned(id) {
			if !spec.Draining {
				continue
			}
			since, ok := c.draining[spec.ID]
			if !ok {
				since, c.draining[spec.ID] = now, now
			}
			until := since.Add(spec.Timeout + drainGrace)
			if now.Before(until) {
				c.due(until)
				continue
			}
			c.cfg.Log.Warn("environment did not drain in time", "environment", spec.ID, "version", spec.FunctionARN, "instance", id)
			r.remove(environment{spec: spec, instance: id})
		}
	}
}

// forgetDrained drops what is remembered of environments that are gone.
func (c *Controller) forgetDrained(r *round) {
	here := map[string]bool{}
	for id := range r.members {
		for _, spec := range r.assigned(id) {
			here[spec.ID] = true
		}
	}
	maps.DeleteFunc(c.draining, func(id string, _ time.Time) bool { return !here[id] })
}
