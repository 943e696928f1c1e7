package lamina

import "time"

// Instance is the durable record of one managed instance, kept so that none can
// leak: written before it is launched, removed only after its driver says gone.
// Only the fleet writes it.
type Instance struct {
	Scope
	ID           string        `json:"id"` // i-… (17 hex digits)
	Provider     string        `json:"provider"`
	Type         string        `json:"type"`
	VCPUs        int32         `json:"vcpus"`
	MemoryMiB    int64         `json:"memoryMib"`
	Architecture string        `json:"architecture"`
	Zone         string        `json:"zone"`
	SubnetID     string        `json:"subnetId,omitempty"` // empty in the hidden fleet
	VPCID        string        `json:"vpcId,omitempty"`
	InterfaceID  string        `json:"interfaceId,omitempty"`
	PrivateIP    string        `json:"privateIp,omitempty"`
	IPv6         string        `json:"ipv6,omitempty"` // "" where its subnet assigns none
	State        InstanceState `json:"state"`
	Reason       string        `json:"reason,omitempty"` // why it is shutting down or gone
	LaunchedAt   time.Time     `json:"launchedAt"`
	EndedAt      time.Time     `json:"endedAt,omitzero"`
	Hidden       bool          `json:"hidden,omitempty"`
	Token        string        `json:"token"`            // secret the agent joins with
	Handle       string        `json:"handle,omitempty"` // what the driver knows it by (process driver: "pid:starttime")
}

// InstanceState follows EC2's names.
type InstanceState string

// Instance states. Launching counts against MaxVCpuCount like running.
const (
	InstancePending      InstanceState = "pending"
	InstanceRunning      InstanceState = "running"
	InstanceShuttingDown InstanceState = "shutting-down"
	InstanceTerminated   InstanceState = "terminated"
)

// Key is the instance's store key below its table's prefix.
func (i Instance) Key() string { return Key(i.Account, i.Region, i.ID) }

// ProviderKey is the key of the instance's capacity provider.
func (i Instance) ProviderKey() string { return Key(i.Account, i.Region, i.Provider) }

// Ended says whether the instance no longer counts.
func (i Instance) Ended() bool { return i.State == InstanceTerminated }

// What every instance keeps for itself, DESIGN.md 23.
const (
	ReserveMilliVCPU = 1000
	ReserveMiB       = 1024
)
