package lamina

import "time"

// CapacityProvider is what a user asked for: where managed instances run, as
// whom, on what and how far. Its state is CapacityProviderStatus, written by the
// controller alone.
type CapacityProvider struct {
	Scope
	Name             string            `json:"name"`
	SubnetIDs        []string          `json:"subnetIds"`
	SecurityGroupIDs []string          `json:"securityGroupIds"`
	OperatorRoleARN  string            `json:"operatorRoleArn"`
	Requirements     *Requirements     `json:"requirements,omitempty"` // nil: not sent
	Scaling          *ProviderScaling  `json:"scaling,omitempty"`      // nil: not sent
	KMSKeyARN        string            `json:"kmsKeyArn,omitempty"`
	PropagateTags    *PropagateTags    `json:"propagateTags,omitempty"`
	Telemetry        *ProviderLogging  `json:"telemetry,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	LastModified     time.Time         `json:"lastModified"`
	Hidden           bool              `json:"hidden,omitempty"`   // the fleet of ordinary functions (DESIGN.md 6): never listed
	Deleting         bool              `json:"deleting,omitempty"` // deletion was acknowledged
}

// Requirements narrows the instance types. Nil lists were not sent and must stay absent in answers.
type Requirements struct {
	Architectures []string `json:"architectures"`
	Allowed       []string `json:"allowed"`
	Excluded      []string `json:"excluded"`
}

// ProviderScaling holds the limits and policy of one provider. Zero values were not sent.
type ProviderScaling struct {
	MaxVCPU  int32           `json:"maxVcpu,omitempty"` // 2–15000 vCPUs, lmi-service.md 1.2
	Mode     string          `json:"mode,omitempty"`    // Auto | Manual
	Policies []ScalingPolicy `json:"policies"`
}

// ScalingPolicy is one target-tracking rule of a Manual provider.
type ScalingPolicy struct {
	Metric string  `json:"metric"`
	Target float64 `json:"target"` // percent, 0–100
}

// PropagateTags says which tags go onto instances and interfaces launched from now on.
type PropagateTags struct {
	Mode     string            `json:"mode"`
	Explicit map[string]string `json:"explicit"`
}

// ProviderLogging is the provider's system log setting.
type ProviderLogging struct {
	Group string `json:"group,omitempty"`
	Level string `json:"level,omitempty"`
}

// CapacityProviderStatus is what the controller made of a provider.
type CapacityProviderStatus struct {
	State State `json:"state"` // Pending, Active, Failed, Deleting
}

// Allocation counts the vCPUs of a provider's instances, launching ones included.
// It changes only in the batch that writes or removes an instance record (DESIGN.md 13).
type Allocation struct {
	VCPUs int32 `json:"vcpus"`
}

// Defaults and limits of capacity providers, lmi-service.md 1.2, 2.2 and 8.3.
const (
	DefaultMaxVCPU      = 400          // vCPUs when MaxVCpuCount is not given
	MaxProviders        = 1000         // providers of one account and region
	MaxProviderVersions = 100          // published versions on one provider
	HiddenProviderName  = ".on-demand" // no API name can start with a dot
)

// Key is the provider's store key below its table's prefix.
func (p CapacityProvider) Key() string { return Key(p.Account, p.Region, p.Name) }

// ARN is the provider's ARN.
func (p CapacityProvider) ARN() string { return CapacityProviderARN(p.Scope, p.Name) }

// Architecture is the one architecture of the provider's instances; x86_64 by default.
func (p CapacityProvider) Architecture() string {
	if p.Requirements != nil && len(p.Requirements.Architectures) > 0 {
		return p.Requirements.Architectures[0]
	}
	return "x86_64"
}

// MaxVCPU is the cap on the vCPUs of all the provider's instances together.
func (p CapacityProvider) MaxVCPU() int32 {
	if p.Scaling != nil && p.Scaling.MaxVCPU > 0 {
		return p.Scaling.MaxVCPU
	}
	return DefaultMaxVCPU
}

// CPUTarget is the CPU utilisation, 0..1, to which the provider's versions are
// scaled: the lowest of its policies, as the one that asks for most decides.
// 0 means that the service chooses (Auto).
func (p CapacityProvider) CPUTarget() float64 {
	if p.Scaling == nil || p.Scaling.Mode != "Manual" {
		return 0
	}
	target := 0.0
	for _, policy := range p.Scaling.Policies {
		t := max(leastTarget, policy.Target) / 100
		if target == 0 || t < target {
			target = t
		}
	}
	return target
}

// leastTarget stands for a TargetValue of 0, which the API takes and no load can meet (percent, chosen).
const leastTarget = 1
