package cloudwatch

import (
	"testing"

	"github.com/lamina-dev/lamina/internal/fleet"
	"github.com/lamina-dev/lamina/internal/wire"
)

// A refused call counts under what kept the version's slots, and under nothing else.
func TestThrottleReasons(t *testing.T) {
	type use struct {
		cpu, memory float64
		draining    bool
	}
	for name, c := range map[string]struct {
		uses []use
		want string
	}{
		"no environment":                 {nil, nameConcurrencyThrottles},
		"callers that wait":              {[]use{{0.1, 0.2, false}, {0, 0.2, false}}, nameConcurrencyThrottles},
		"CPU used up":                    {[]use{{1, 0.2, false}, {0.97, 0.2, false}}, nameCPUThrottles},
		"of one of two":                  {[]use{{1, 0.2, false}, {0.5, 0.2, false}}, nameConcurrencyThrottles},
		"memory used up":                 {[]use{{0.5, 0.99, false}, {0.5, 0.98, false}}, nameMemoryThrottles},
		"both":                           {[]use{{1, 1, false}}, nameCPUThrottles},
		"one that drains does not count": {[]use{{0.1, 0.1, false}, {1, 1, true}}, nameConcurrencyThrottles},
	} {
		t.Run(name, func(t *testing.T) {
			m := fleet.Member{Environments: map[string]wire.EnvironmentStatus{}}
			for i, u := range c.uses {
				id := string(rune('a' + i))
				m.Assigned = append(m.Assigned, wire.EnvironmentSpec{ID: id, VersionKey: "v", MemoryMB: 1024, Draining: u.draining})
				m.Environments[id] = wire.EnvironmentStatus{ID: id, State: wire.EnvironmentReady, CPU: u.cpu, Memory: int64(u.memory * (1 << 30))}
			}
			if got := pressures(map[string]fleet.Member{"i": m})["v"].reason(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
