// Package cgroup limits and measures execution environments by the kernel's
// control groups, version 1 or 2.
package cgroup

import "github.com/lamina-dev/lamina/internal/sandbox"

// Describe lists what of an environment is limited.
func (h Host) Describe() []sandbox.Guarantee {
	list := make([]sandbox.Guarantee, 0, 3)
	for _, a := range []struct{ aspect, controller, verb string }{
		{"memory", "memory", "limited"}, {"cpu", "cpu", "weighed"}, {"process count", "pids", "limited"},
	} {
		g := sandbox.Guarantee{Aspect: a.aspect, Isolated: h.Has(a.controller), Detail: a.verb + " by cgroup"}
		if !g.Isolated {
			g.Detail = "not " + a.verb + ": no writable " + a.controller + " cgroup"
		}
		list = append(list, g)
	}
	return list
}
