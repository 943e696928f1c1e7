package scaler

import "time"

// KeepWarm is how long an idle environment of an ordinary function is kept. AWS
// names no figure; 5 minutes is the least that is commonly observed (chosen).
const KeepWarm = 5 * time.Minute

// maxOnDemand is how many environments one ordinary function gets: the default
// concurrency of an account (AWS: "gettingstarted-limits").
const maxOnDemand = 1000

// OnDemandEnvironment is one environment of an ordinary function.
type OnDemandEnvironment struct {
	ID        string
	Busy      bool
	IdleSince time.Time // meaningless while Busy or starting
	Starting  bool      // no request finds it yet
	Fresh     bool      // it has had none
}

// OnDemand says how many environments to start for the waiting requests, and
// which idle ones to end. A fresh one is as good as taken by one of those that
// wait; one that has served may be busy with what its caller has given up.
func OnDemand(waiting int, envs []OnDemandEnvironment, now time.Time) (start int, end []string) {
	coming := 0
	for _, e := range envs {
		if e.Starting || e.Fresh {
			coming++
		}
		if !e.Starting && !e.Busy && waiting == 0 && now.Sub(e.IdleSince) >= KeepWarm {
			end = append(end, e.ID)
		}
	}
	return max(0, min(waiting-coming, maxOnDemand-len(envs))), end
}
