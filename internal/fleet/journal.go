package fleet

import (
	"encoding/json"
	"fmt"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// operation is an event in an instance's life as the provider's system log names
// it, with its level (lmi-service.md 2.9).
type operation struct{ name, level string }

// The operations.
var (
	opLaunching         = operation{"Launching", "INFO"}
	opLaunched          = operation{"Launched", "INFO"}
	opLaunchFailed      = operation{"LaunchFailed", "WARN"}
	opHealthCheckFailed = operation{"HealthCheckFailed", "WARN"}
	opTerminating       = operation{"Terminating", "INFO"}
	opTerminated        = operation{"Terminated", "INFO"}
	opTerminateFailed   = operation{"TerminateFailed", "WARN"}
)

// levels orders the system log's levels; a setting lets its own and higher ones through.
var levels = map[string]int{"DEBUG": 0, "INFO": 1, "WARN": 2}

// systemLogGroup is where a provider's system log goes unless it names another group.
func systemLogGroup(provider string) string { return "/aws/lambda/capacity-provider/" + provider }

// line is one event as the log shows it.
type line struct {
	Timestamp string   `json:"timestamp"`
	Level     string   `json:"level"`
	Operation string   `json:"operation"`
	Message   string   `json:"message"`
	Metadata  metadata `json:"metadata"`
}

type metadata struct {
	InstanceID  string   `json:"instanceId,omitempty"`
	Zones       []string `json:"availabilityZones"`
	Types       []string `json:"instanceTypes"`
	ProviderARN string   `json:"capacityProviderArn"`
}

// journal writes an event into the system log of the instance's provider, if the
// provider's level asks for it and its operator role may write there; else it is
// dropped without a word, as on AWS. A format's verbs stand for type, id and zone.
func (f *Fleet) journal(inst lamina.Instance, op operation, format string) {
	row, ok := f.cfg.Providers.Get(inst.ProviderKey())
	if !ok || inst.Hidden || f.cfg.MayLog == nil {
		return
	}
	p, group, least := row.Value, systemLogGroup(inst.Provider), "INFO"
	if t := p.Telemetry; t != nil && t.Group != "" {
		group = t.Group
	}
	if t := p.Telemetry; t != nil && t.Level != "" {
		least = t.Level
	}
	if levels[op.level] < levels[least] || !f.cfg.MayLog(p.OperatorRoleARN, p.Scope, group) {
		return
	}
	now := f.cfg.Clock().UTC()
	text, err := json.Marshal(line{
		Timestamp: now.Format("2006-01-02T15:04:05.000Z"), Level: op.level, Operation: op.name,
		Message:  fmt.Sprintf(format, inst.Type, inst.ID, inst.Zone),
		Metadata: metadata{inst.ID, []string{inst.Zone}, []string{inst.Type}, p.ARN()},
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	f.cfg.Logs.Ingest(inst.Scope, group, inst.ID, []wire.LogEvent{{UnixMilli: now.UnixMilli(), Message: string(text)}})
}
