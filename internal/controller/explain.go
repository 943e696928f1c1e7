package controller

import (
	"fmt"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/scaler"
	"github.com/lamina-dev/lamina/internal/scheduler"
)

// Picture is what the controller made of one managed version in its last round:
// everything that can answer why it is as it is.
type Picture struct {
	Version   lamina.Version
	Provider  lamina.CapacityProvider
	Status    lamina.VersionStatus
	Bounds    scaler.Bounds
	Signals   scaler.Signals
	Decision  scaler.Decision
	Starting  int // environments that are coming up
	Silent    int // environments on instances whose agents say nothing
	Draining  int // environments on their way out
	Missing   int // environments it should have and does not
	Replacing int // environments that serve until others have taken their place, for their age or their instance's
	Deleting  bool
	Undecided bool               // instances of before a restart have not been heard of
	Refusal   *scheduler.Refusal // why the missing ones are not started
	Resting   time.Time          // the pause after failing environments ends then
	Failed    string             // why environments of late have ended by themselves
	Logs      *lamina.Finding    // why its log lines are lost, from who knows its network; nil: they are not
	At        time.Time
}

// Picture gives the last round's picture of a version; false: it is not known, or
// not managed.
func (c *Controller) Picture(versionKey string) (Picture, bool) {
	p, ok := (*c.pictures.Load())[versionKey]
	return p, ok
}

// picture keeps what a version's turn has found.
func (c *Controller) picture(g *group, s *situation, o *outcome) {
	key, now := s.version.Key(), c.cfg.Clock()
	p := Picture{
		Version: s.version, Provider: g.provider, Status: o.status, Bounds: boundsOf(s.bounds, g.provider),
		Deleting: s.deleting, Undecided: g.undecided, Missing: o.start, Refusal: o.refusal, At: now,
	}
	for _, e := range s.envs {
		switch {
		case e.spec.Draining || o.drain[e.spec.ID]:
			p.Draining++
		case e.silent:
			p.Silent++
		case !e.ready():
			p.Starting++
		case e.retiring || o.aged[e.spec.ID]:
			p.Replacing++
		}
	}
	if m := c.scaling[key]; m != nil {
		p.Signals, p.Decision = m.signals, m.latest
	}
	if f := c.failures[key]; f != nil && f.count > 0 {
		p.Failed = f.text
		if until := f.rest(); now.Before(until) {
			p.Resting = until
		}
	}
	c.drawn[key] = p
}

// Explain answers why a version is as it is, the most pressing reason first.
func Explain(p Picture) []lamina.Finding {
	name := p.Version.Function + ":" + p.Version.Qualifier
	switch {
	case p.Deleting:
		return []lamina.Finding{finding("deleting", fmt.Sprintf("%s is being deleted: %d environments finish what runs in them.", name, p.Draining), "")}
	case p.Status.State == lamina.StateFailed:
		return []lamina.Finding{failedFinding(p.Status.ReasonCode, p.Status.Reason)}
	case p.Status.State == lamina.StateDeactivating || p.Status.State == lamina.StateDeactivated:
		return []lamina.Finding{finding("deactivated", name+" has a minimum and a maximum of 0 environments, so that none runs and every call is refused.",
			"Give it environments: aws lambda put-function-scaling-config with a minimum above 0.")}
	}
	var found []lamina.Finding
	if p.Status.UpdateStatus == lamina.UpdateFailed {
		f := failedFinding(p.Status.UpdateReasonCode, p.Status.UpdateReason)
		f.Text = "The newest publish failed and the one before it serves: " + f.Text
		found = append(found, f)
	}
	if p.Silent > 0 {
		found = append(found, finding("silent", fmt.Sprintf("%d environments get no calls, since the agents of their instances say nothing: they are stopped or stuck. Nothing is started in their place.", p.Silent),
			"Let the process go on (kill -CONT) or end it (kill -9): it is replaced then."))
	}
	if f, ok := missingFinding(p); ok {
		found = append(found, f)
	}
	if f, ok := scalingFinding(p); ok {
		found = append(found, f)
	}
	if p.Logs != nil {
		found = append(found, *p.Logs)
	}
	if len(found) == 0 {
		found = append(found, finding("as-it-should-be", fmt.Sprintf("%s has the %d environments that its load and its minimum of %d ask for.", name, p.Signals.Serving, p.Bounds.Min), ""))
	}
	return found
}

// remedies by state reason code: the finding's code, and what to do before
// publishing again. A version that failed stays so until then (lmi-service.md 3.3).
var remedies = map[string]struct{ code, remedy string }{
	lamina.ReasonVCPULimit:         {"vcpu-cap", "Raise MaxVCpuCount of the capacity provider (aws lambda update-capacity-provider) or end other versions on it, then publish again."},
	lamina.ReasonNoAddresses:       {"no-addresses", "Use larger subnets, or end what holds their addresses (aws ec2 describe-network-interfaces), then publish again."},
	lamina.ReasonInsufficient:      {"no-capacity", "Allow other instance types or zones, or free this machine, then publish again; lamina outage lists what is switched off."},
	lamina.ReasonRolePermissions:   {"operator-role", "Attach the managed policy AWSLambdaManagedEC2ResourceOperator to the capacity provider's operator role, and let lambda.amazonaws.com assume it; then publish again."},
	lamina.ReasonInvalidSubnet:     {"subnet-gone", "Make a capacity provider in subnets that exist and move the function to it."},
	lamina.ReasonInvalidRuntime:    {"runtime-missing", "Bring the runtime to this machine as the reason says (lamina doctor shows what is found), then publish again."},
	lamina.ReasonRuntimeInit:       {"init-error", "Look into the function's log group for the error, mend the code, then publish again."},
	lamina.ReasonInitTimeout:       {"init-timeout", "Make the initialization shorter: it has the larger of 130 seconds and the function's timeout; then publish again."},
	lamina.ReasonInvalidEntryPoint: {"entry-point", "Build the package for the function's architecture, with an executable bootstrap at its root, then publish again."},
	lamina.ReasonInvalidWorkingDir: {"working-folder", "Name a working folder that exists in the image, then publish again."},
	lamina.ReasonPermissionDenied:  {"not-executable", "Make the entry point executable for everybody (chmod 755) in the package, then publish again."},
	lamina.ReasonExtensionInit:     {"extension-init", "Look into the function's log group for what the extension in its layer says, mend or remove the layer, then publish again."},
	lamina.ReasonTooManyExtensions: {"too-many-extensions", "Leave at most ten files in the extensions folders of the function's layers, then publish again."},
	lamina.ReasonInitResources:     {"out-of-memory", "Give the function more memory, then publish again."},
	lamina.ReasonInvalidZip:        {"bad-package", "Upload the package again; it can't be unpacked."},
	lamina.ReasonInvalidGroup:      {"group-gone", "Make a capacity provider with security groups that exist and move the function to it."},
}

// told are causes that share one of AWS's codes with others, known by their text.
var told = []struct{ reason, text, code, remedy string }{
	{lamina.ReasonInsufficient, lamina.TextNoType, "no-type", "Allow a larger instance type in a new capacity provider, or lower the function's memory; then publish again."},
	{lamina.ReasonInsufficient, lamina.TextHostFull, "machine-full", "End what is no longer needed on this machine, then publish again."},
	{lamina.ReasonInsufficient, lamina.TextAgentSilent, "launch-stuck", "See the instance's log under instances/ in the data folder and how busy this machine is, then publish again."},
	{lamina.ReasonInsufficient, lamina.TextAgentEnded, "launch-failed", "See the instance's log under instances/ in the data folder, then publish again."},
	{lamina.ReasonInsufficient, lamina.TextAgentsEnd, "launch-failed", "See the instances' logs under instances/ in the data folder, then publish again."},
	{lamina.ReasonInternal, lamina.TextNoPackage, "code-missing", "Upload the code again: aws lambda update-function-code, then publish again."},
}

// LogsLost says why log lines are lost: on the way from instances that have these
// answers of their network, or since the execution role is refused; nil: none is.
func LogsLost(answers []network.Answer, refusal *network.Missing) *lamina.Finding {
	var first *network.Missing
	lost := 0
	for _, a := range answers {
		if a.Reached() {
			continue
		}
		if lost++; first == nil || a.Missing.Text < first.Text {
			first = a.Missing
		}
	}
	if first == nil && refusal == nil {
		return nil
	}
	if first == nil {
		f := finding("logs-denied", fmt.Sprintf("Invocations work, but log lines are lost: %s.", refusal.Text), refusal.Remedy)
		return &f
	}
	from := "its instances"
	if lost < len(answers) {
		from = fmt.Sprintf("%d of its %d instances", lost, len(answers))
	}
	f := finding("logs-unreachable", fmt.Sprintf("Invocations work, but log lines from %s are lost: %s.", from, first.Text), first.Remedy)
	return &f
}

func finding(code, text, remedy string) lamina.Finding {
	return lamina.Finding{Code: code, Text: text, Remedy: remedy}
}

func failedFinding(code, reason string) lamina.Finding {
	for _, t := range told {
		if t.reason == code && strings.Contains(reason, t.text) {
			return finding(t.code, reason, t.remedy)
		}
	}
	known, ok := remedies[code]
	if !ok {
		return finding("failed", reason, "Look into the server's log, then publish again.")
	}
	return finding(known.code, reason, known.remedy)
}

// missingFinding says why environments that should be there are not.
func missingFinding(p Picture) (lamina.Finding, bool) {
	rotation := p.Missing <= p.Replacing // nothing is missing but what takes their place
	switch {
	case p.Replacing > 0 && rotation && p.Refusal == nil && p.Resting.IsZero():
		return finding("rotation", fmt.Sprintf("%d of its environments, or their instances, have reached the age at which they are replaced; they serve until new ones do.", p.Replacing), ""), true
	case p.Missing == 0 && p.Starting == 0:
		return lamina.Finding{}, false
	case p.Undecided:
		return finding("restarted", "The server has started anew and waits for instances of before to come back; nothing is launched meanwhile.", ""), true
	case !p.Resting.IsZero():
		return finding("failing", fmt.Sprintf("Environments end soon after their start (%s); the next try is in %s.", p.Failed, p.Resting.Sub(p.At).Round(time.Second)),
			"Look into the function's log group for what they say last."), true
	case p.Refusal == errNotYet:
		return finding("role-grace", "The operator role can't launch instances yet; a new role has ten seconds to take effect.",
			"If it stays so: attach AWSLambdaManagedEC2ResourceOperator to the role."), true
	case p.Refusal != nil && rotation:
		f := failedFinding(p.Refusal.Code, p.Refusal.Text)
		return finding("rotation-held", fmt.Sprintf("%d environments have reached the age at which they are replaced; they go on serving, since the new ones can't be started: %s", p.Replacing, f.Text), f.Remedy), true
	case p.Refusal != nil:
		f := failedFinding(p.Refusal.Code, p.Refusal.Text)
		f.Text = fmt.Sprintf("%d environments more are needed and can't be started: %s", p.Missing, f.Text)
		return f, true
	}
	return finding("starting", fmt.Sprintf("%d environments are coming up, %d serve.", max(p.Starting, p.Missing), p.Signals.Serving), ""), true
}

// scalingFinding says why the number of environments is not another one.
func scalingFinding(p Picture) (lamina.Finding, bool) {
	in, want := p.Signals, p.Decision.Want
	use := fmt.Sprintf("CPU %.0f %%, %d of %d slots taken", 100*in.CPU, in.InFlight, in.Slots)
	switch p.Decision.Cause {
	case scaler.Ceiling:
		return finding("maximum", fmt.Sprintf("The load asks for more environments (%s), but the version may have %d at most.", use, p.Bounds.Max),
			"Raise MaxExecutionEnvironments: aws lambda put-function-scaling-config."), true
	case scaler.HostLimit:
		return finding("machine-cpu", fmt.Sprintf("CPU use asks for more environments (%s), but this machine has no CPU left: they would not help.", use),
			"Use a larger machine, or a smaller --vcpu-cores to rehearse with less."), true
	case scaler.Blindness:
		return finding("not-heard-of", "Nothing is ended while an instance of the version is not heard of.", ""), true
	case scaler.Holding:
		return finding("holding", fmt.Sprintf("The load has fallen (%s); environments go one by one once it has been low for %s.", use, scaler.Hold), ""), true
	case scaler.CPU, scaler.Concurrency, scaler.Saturated, scaler.Settling:
		if want > p.Bounds.Min && p.Missing == 0 && p.Starting == 0 {
			return finding("scaled-out", fmt.Sprintf("%d environments for the load (%s); its minimum is %d.", want, use, p.Bounds.Min), ""), true
		}
	}
	return lamina.Finding{}, false
}
