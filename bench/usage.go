package main

import (
	"syscall"
	"time"
)

// usage is CPU time by role.
type usage map[string]time.Duration

// add puts the difference of two looks on top.
func (u usage) add(before, after usage) {
	for role, t := range after {
		u[role] += t - before[role]
	}
}

// ownRole is the load generator.
const ownRole = "client"

// ownUsage is the CPU time of this process.
func ownUsage() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// pids are processes by role.
type pids map[string][]int

func (p pids) add(role string, one *process) { p[role] = append(p[role], one.pid()) }

// usageOf looks at processes by role.
func usageOf(p pids) func() usage {
	return func() usage {
		u := usage{}
		for role, all := range p {
			for _, pid := range all {
				u[role] += cpuTime(pid)
			}
		}
		return u
	}
}

// look is a subject's usage and the generator's.
func (s *subject) look() usage {
	u := s.cpu()
	u[ownRole] = ownUsage()
	return u
}
