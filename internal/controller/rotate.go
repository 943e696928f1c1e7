package controller

import (
	"cmp"
	"slices"
	"strings"
)

// rotationShare: of so many environments of a version one at a time is replaced
// for its age, and one of fewer (chosen: those of one publish reach it together,
// and a version is not to be doubled for it).
const rotationShare = 10

// rotate marks the environments whose turn it is to be replaced for their age:
// the oldest, and no more at a time than the share, those on their way out
// included. A marked one serves on; keep starts another in its place and drains it
// when that is ready. What is not ready, or silent, has other cares.
func (o *outcome) rotate(s situation, gen int64) []environment {
	if s.age <= 0 {
		return s.envs
	}
	envs := slices.Clone(s.envs)
	var old []*environment
	all, leaving := 0, 0
	for i := range envs {
		e := &envs[i]
		if e.spec.Generation != gen || e.ended() {
			continue
		}
		all++
		switch due := e.status.ReadyAt.Add(s.age); {
		case e.retiring || e.spec.Draining:
			leaving++
		case !e.ready():
		case s.now.Before(due):
			if o.due.IsZero() || due.Before(o.due) {
				o.due = due
			}
		default:
			old = append(old, e)
		}
	}
	slices.SortFunc(old, func(a, b *environment) int {
		return cmp.Or(a.status.ReadyAt.Compare(b.status.ReadyAt), strings.Compare(a.spec.ID, b.spec.ID))
	})
	o.aged = map[string]bool{}
	for _, e := range old[:max(0, min(len(old), max(1, all/rotationShare)-leaving))] {
		e.retiring, o.aged[e.spec.ID] = true, true
	}
	return envs
}
