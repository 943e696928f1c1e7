package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/scaler"
	"github.com/lamina-dev/lamina/internal/scheduler"
)

// Each cause is named, and no other.
func TestExplain(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	serving := func(change func(*Picture)) Picture {
		p := Picture{
			Version: lamina.Version{Function: "f", Qualifier: lamina.LatestPublished}, Status: active(1), At: now,
			Bounds:  scaler.Bounds{Min: 3, Max: -1},
			Signals: scaler.Signals{Serving: 3, Slots: 48}, Decision: scaler.Decision{Want: 3, Cause: scaler.Floor},
		}
		change(&p)
		return p
	}
	pending := func(change func(*Picture)) Picture {
		return serving(func(p *Picture) {
			p.Status = lamina.VersionStatus{State: lamina.StatePending}
			p.Signals, p.Missing = scaler.Signals{}, 3
			change(p)
		})
	}
	failed := func(code string) Picture {
		return serving(func(p *Picture) {
			p.Status = lamina.VersionStatus{State: lamina.StateFailed, ReasonCode: code, Reason: "why"}
		})
	}
	refused := func(code string) Picture {
		return serving(func(p *Picture) { p.Missing, p.Refusal = 2, &scheduler.Refusal{Code: code, Text: "why"} })
	}
	scaled := func(c scaler.Cause, want int) Picture {
		return serving(func(p *Picture) { p.Decision = scaler.Decision{Want: want, Cause: c} })
	}
	for name, c := range map[string]struct {
		p    Picture
		want []string
	}{
		"nothing is wrong":     {serving(func(*Picture) {}), []string{"as-it-should-be"}},
		"deletion":             {serving(func(p *Picture) { p.Deleting = true }), []string{"deleting"}},
		"deactivation":         {serving(func(p *Picture) { p.Status.State = lamina.StateDeactivated }), []string{"deactivated"}},
		"coming up":            {pending(func(p *Picture) { p.Missing, p.Starting = 0, 3 }), []string{"starting"}},
		"after a restart":      {pending(func(p *Picture) { p.Undecided = true }), []string{"restarted"}},
		"a role that is new":   {pending(func(p *Picture) { p.Refusal = errNotYet }), []string{"role-grace"}},
		"a series of failures": {serving(func(p *Picture) { p.Missing, p.Resting, p.Failed = 1, now.Add(time.Second), "exit status 1" }), []string{"failing"}},
		"cap, at publish":      {failed(lamina.ReasonVCPULimit), []string{"vcpu-cap"}},
		"cap, when scaling":    {refused(lamina.ReasonVCPULimit), []string{"vcpu-cap"}},
		"no addresses":         {refused(lamina.ReasonNoAddresses), []string{"no-addresses"}},
		"no capacity":          {refused(lamina.ReasonInsufficient), []string{"no-capacity"}},
		"role":                 {failed(lamina.ReasonRolePermissions), []string{"operator-role"}},
		"subnet":               {failed(lamina.ReasonInvalidSubnet), []string{"subnet-gone"}},
		"runtime":              {failed(lamina.ReasonInvalidRuntime), []string{"runtime-missing"}},
		"init error":           {failed(lamina.ReasonRuntimeInit), []string{"init-error"}},
		"init time-out":        {failed(lamina.ReasonInitTimeout), []string{"init-timeout"}},
		"entry point":          {failed(lamina.ReasonInvalidEntryPoint), []string{"entry-point"}},
		"working folder":       {failed(lamina.ReasonInvalidWorkingDir), []string{"working-folder"}},
		"memory":               {failed(lamina.ReasonInitResources), []string{"out-of-memory"}},
		"package":              {failed(lamina.ReasonInvalidZip), []string{"bad-package"}},
		"permission":           {failed(lamina.ReasonPermissionDenied), []string{"not-executable"}},
		"an unknown reason":    {failed("Else"), []string{"failed"}},
		"a bad republish": {serving(func(p *Picture) {
			p.Status.UpdateStatus, p.Status.UpdateReasonCode = lamina.UpdateFailed, lamina.ReasonRuntimeInit
		}), []string{"init-error"}},
		"rotation": {serving(func(p *Picture) { p.Replacing, p.Starting = 1, 1 }), []string{"rotation"}},
		"no room for rotation": {serving(func(p *Picture) {
			p.Replacing, p.Missing, p.Refusal = 1, 1, &scheduler.Refusal{Code: lamina.ReasonVCPULimit, Text: "why"}
		}), []string{"rotation-held"}},
		"more is missing than rotation": {serving(func(p *Picture) {
			p.Replacing, p.Missing, p.Refusal = 1, 2, &scheduler.Refusal{Code: lamina.ReasonVCPULimit, Text: "why"}
		}), []string{"vcpu-cap"}},
		"maximum":                        {scaled(scaler.Ceiling, 3), []string{"maximum"}},
		"the machine's CPU":              {scaled(scaler.HostLimit, 3), []string{"machine-cpu"}},
		"an instance is not heard of":    {scaled(scaler.Blindness, 3), []string{"not-heard-of"}},
		"the load has fallen":            {scaled(scaler.Holding, 5), []string{"holding"}},
		"more environments for the load": {scaled(scaler.CPU, 6), []string{"scaled-out"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range Explain(c.p) {
				got = append(got, f.Code)
				if f.Code != "failed" && f.Text == "" {
					t.Errorf("%s says nothing", f.Code)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
