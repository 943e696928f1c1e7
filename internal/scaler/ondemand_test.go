package scaler

import (
	"slices"
	"testing"
	"time"
)

func TestOnDemand(t *testing.T) {
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	var (
		starting = OnDemandEnvironment{ID: "starting", Starting: true}
		fresh    = OnDemandEnvironment{ID: "fresh", Fresh: true, IdleSince: now}
		busy     = OnDemandEnvironment{ID: "busy", Busy: true, IdleSince: now.Add(-time.Hour)}
		idle     = OnDemandEnvironment{ID: "idle", IdleSince: now.Add(-time.Second)}
		old      = OnDemandEnvironment{ID: "old", IdleSince: now.Add(-KeepWarm)}
		unused   = OnDemandEnvironment{ID: "unused", Fresh: true, IdleSince: now.Add(-KeepWarm)}
	)
	for name, c := range map[string]struct {
		waiting int
		envs    []OnDemandEnvironment
		start   int
		end     []string
	}{
		"nobody":                               {0, nil, 0, nil},
		"one for each":                         {3, []OnDemandEnvironment{busy}, 3, nil},
		"those that start are for who waits":   {3, []OnDemandEnvironment{starting, starting, busy}, 1, nil},
		"a fresh one is as good as taken":      {1, []OnDemandEnvironment{fresh}, 0, nil},
		"more than wait":                       {1, []OnDemandEnvironment{starting, fresh}, 0, nil},
		"one that served may refuse who waits": {1, []OnDemandEnvironment{idle}, 1, nil},
		"idle for long":                        {0, []OnDemandEnvironment{old, idle, busy}, 0, []string{"old"}},
		"never used":                           {0, []OnDemandEnvironment{unused, starting}, 0, []string{"unused"}},
		"not while somebody waits":             {1, []OnDemandEnvironment{old}, 1, nil},
		"at most an account's":                 {10, slices.Repeat([]OnDemandEnvironment{busy}, maxOnDemand-4), 4, nil},
	} {
		start, end := OnDemand(c.waiting, c.envs, now)
		if start != c.start || !slices.Equal(end, c.end) {
			t.Errorf("%s: starts %d and ends %v, want %d and %v", name, start, end, c.start, c.end)
		}
	}
}
