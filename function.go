package lamina

import (
	"slices"
	"time"
)

// FunctionConfig is all that a published version freezes.
type FunctionConfig struct {
	Description  string            `json:"description,omitempty"`
	PackageType  string            `json:"packageType"` // Zip | Image
	Runtime      string            `json:"runtime,omitempty"`
	Handler      string            `json:"handler,omitempty"`
	RoleARN      string            `json:"roleArn"`
	MemoryMB     int32             `json:"memoryMb"`
	TimeoutSec   int32             `json:"timeoutSec"`
	TmpMB        int32             `json:"tmpMb"`
	Architecture string            `json:"architecture"`
	Environment  map[string]string `json:"environment"`            // nil: not sent
	CodeSHA256   string            `json:"codeSha256"`             // hex, of the zip (the API shows base64) or of the image's manifest
	CodeSize     int64             `json:"codeSize"`               // bytes of the zip; 0 of an image
	CodeUnpacked int64             `json:"codeUnpacked,omitempty"` // bytes of its files; 0: stored before this was counted
	Image        *FunctionImage    `json:"image,omitempty"`        // nil: a code package
	ImageConfig  *ImageConfig      `json:"imageConfig,omitempty"`  // what the function changes of its image's
	Layers       []LayerReference  `json:"layers,omitempty"`       // merged in this order, the later ones win
	Logging      LoggingConfig     `json:"logging"`
	Tracing      string            `json:"tracing"` // PassThrough | Active
	DeadLetter   string            `json:"deadLetter,omitempty"`
	KMSKeyARN    string            `json:"kmsKeyArn,omitempty"`
	VPC          *FunctionVPC      `json:"vpc,omitempty"`
	Capacity     *FunctionCapacity `json:"capacity,omitempty"` // nil: an ordinary (default) function
}

// Package types.
const (
	PackageImage = "Image"
)

// FunctionImage is a container image as it was when it became a function's code.
type FunctionImage struct {
	URI          string   `json:"uri"`          // as the function's owner named it
	Resolved     string   `json:"resolved"`     // with the digest that it led to
	Layers       []string `json:"layers"`       // SHA-256 of each in hex, the lowest first
	Architecture string   `json:"architecture"` // that it says it is built for: x86_64, arm64
	EntryPoint   []string `json:"entryPoint,omitempty"`
	Command      []string `json:"command,omitempty"`
	Env          []string `json:"env,omitempty"` // NAME=value
	WorkDir      string   `json:"workDir,omitempty"`
}

// ImageConfig is what a function changes of its image's; empty parts stay as they are.
type ImageConfig struct {
	EntryPoint []string `json:"entryPoint,omitempty"`
	Command    []string `json:"command,omitempty"`
	WorkDir    string   `json:"workDir,omitempty"`
}

// ImageCommand is what an image function runs, and where: each part of the
// function's ImageConfig stands for the image's own (AWS: "images-parms").
func (c FunctionConfig) ImageCommand() (argv []string, dir string) {
	own := ImageConfig{}
	if c.ImageConfig != nil {
		own = *c.ImageConfig
	}
	entry, command, dir := own.EntryPoint, own.Command, own.WorkDir
	if len(entry) == 0 {
		entry = c.Image.EntryPoint
	}
	if len(command) == 0 {
		command = c.Image.Command
	}
	if dir == "" {
		dir = c.Image.WorkDir
	}
	if dir == "" {
		dir = "/"
	}
	return slices.Concat(entry, command), dir
}

// LoggingConfig is a function's log format, levels and group.
type LoggingConfig struct {
	Format           string `json:"format"` // JSON | Text
	ApplicationLevel string `json:"applicationLevel,omitempty"`
	SystemLevel      string `json:"systemLevel,omitempty"`
	Group            string `json:"group"`
}

// FunctionVPC places an ordinary function's network; managed ones use their provider's.
type FunctionVPC struct {
	VPCID            string   `json:"vpcId"`
	SubnetIDs        []string `json:"subnetIds"`
	SecurityGroupIDs []string `json:"securityGroupIds"`
	IPv6             bool     `json:"ipv6,omitempty"`
}

// FunctionCapacity binds a function to its capacity provider.
type FunctionCapacity struct {
	ProviderARN    string  `json:"providerArn"`
	MaxConcurrency int32   `json:"maxConcurrency"` // slots of one environment, 1–1600
	GiBPerVCPU     float64 `json:"gibPerVcpu"`     // 2.0–8.0
}

// Managed says whether the function runs on managed instances.
func (c FunctionConfig) Managed() bool { return c.Capacity != nil }

// Slots is how many invocations one environment serves at once.
func (c FunctionConfig) Slots() int {
	if c.Capacity == nil {
		return 1
	}
	return int(c.Capacity.MaxConcurrency)
}

// MilliVCPU is the CPU of one environment in thousandths of a vCPU: memory ÷
// ratio for managed functions (at least one vCPU, lmi-service.md 3.1), memory ÷
// 1769 MB for ordinary ones (AWS: "configuration-memory").
func (c FunctionConfig) MilliVCPU() int64 {
	if c.Capacity == nil {
		return max(1, int64(c.MemoryMB)*1000/1769)
	}
	return max(1000, int64(float64(c.MemoryMB)/1024/c.Capacity.GiBPerVCPU*1000))
}

// InitTimeout is how long initialisation may take: max(130 s, function timeout),
// at most 900 s (runtime-api.md 1.6); of an ordinary function 10 s, after which
// it starts anew within its first invocation's time (AWS: "lambda-runtime-environment").
func (c FunctionConfig) InitTimeout() time.Duration {
	if !c.Managed() {
		return 10 * time.Second
	}
	return time.Duration(min(900, max(130, int64(c.TimeoutSec)))) * time.Second
}

// launchAllowance is how long a cold start may wait for a host (chosen).
const launchAllowance = time.Minute

// ColdStart is how long an invocation waits for an environment: for a host, for
// the init phase and for a second one within the function's timeout. Managed
// functions start none on demand.
func (c FunctionConfig) ColdStart() time.Duration {
	if c.Managed() {
		return 0
	}
	return launchAllowance + c.InitTimeout() + time.Duration(c.TimeoutSec)*time.Second
}

// Function is a function as its owner configured it: the $LATEST configuration
// and what belongs to the name rather than to a version.
type Function struct {
	Scope
	Name         string            `json:"name"`
	Config       FunctionConfig    `json:"config"`
	RevisionID   string            `json:"revisionId"`
	LastModified time.Time         `json:"lastModified"`
	LastVersion  int64             `json:"lastVersion"`           // highest number ever published; never reused
	CreatedWith  string            `json:"createdWith,omitempty"` // qualifier CreateFunction published: $LATEST stays Pending until it settles
	Reserved     *int32            `json:"reserved,omitempty"`    // reserved concurrency; nil: none
	Recursion    string            `json:"recursion,omitempty"`   // what becomes of recursive loops; "": they are ended
	Tags         map[string]string `json:"tags,omitempty"`
	Deleting     bool              `json:"deleting,omitempty"` // so are all its versions, whatever their rows say

	Policies       map[string]ResourcePolicy `json:"policies,omitempty"`       // by qualifier; "": of the function itself
	RuntimeUpdates map[string]RuntimeUpdate  `json:"runtimeUpdates,omitempty"` // by qualifier; "": of $LATEST
}

// RuntimeUpdate says when AWS would bring a newer runtime to a function. Here it
// is kept and told: runtimes are those of the machine.
type RuntimeUpdate struct {
	On         string `json:"on"`
	VersionARN string `json:"versionArn,omitempty"`
}

// ResourcePolicy says who besides the account may call a function or one qualifier of it.
type ResourcePolicy struct {
	RevisionID string            `json:"revisionId,omitempty"` // of a layer's; any other has that of what it belongs to
	Statements []PolicyStatement `json:"statements"`           // in the order they were added
}

// PolicyStatement is one statement of a resource policy.
type PolicyStatement struct {
	ID       string `json:"id"`
	Document string `json:"document"` // the statement as JSON
}

// Key is the function's store key below its table's prefix.
func (f Function) Key() string { return Key(f.Account, f.Region, f.Name) }

// Version is one runnable configuration: a number or $LATEST.PUBLISHED of a
// managed function; a number or $LATEST of an ordinary one. The API writes it,
// the controller writes its VersionStatus.
type Version struct {
	Scope
	Function     string          `json:"function"`
	Qualifier    string          `json:"qualifier"`
	Config       FunctionConfig  `json:"config"`
	Incarnation  string          `json:"incarnation,omitempty"` // random, given when the row is made: tells it from a deleted one of the same name
	Generation   int64           `json:"generation"`            // grows with each publish into the same qualifier; from 1
	Previous     *FunctionConfig `json:"previous,omitempty"`    // what the last Active generation ran, while a newer one is being brought up
	PreviousGen  int64           `json:"previousGen,omitempty"`
	Source       string          `json:"source,omitempty"` // hash of the $LATEST configuration it was published from
	RevisionID   string          `json:"revisionId"`
	LastModified time.Time       `json:"lastModified"`
	Deleting     bool            `json:"deleting,omitempty"`
}

// Key is the version's store key below its table's prefix; status and scaling
// configuration of a version use the same one.
func (v Version) Key() string { return VersionKey(v.Scope, v.Function, v.Qualifier) }

// ARN is the version's qualified ARN.
func (v Version) ARN() string { return FunctionARN(v.Scope, v.Function, v.Qualifier) }

// VersionKey is the store key of one version of a function.
func VersionKey(s Scope, function, qualifier string) string {
	return Key(s.Account, s.Region, function, qualifier)
}

// VersionStatus is what became of a version. Only the controller writes it.
type VersionStatus struct {
	State            State          `json:"state"`
	Reason           string         `json:"reason,omitempty"`
	ReasonCode       string         `json:"reasonCode,omitempty"`
	UpdateStatus     string         `json:"updateStatus,omitempty"`
	UpdateReason     string         `json:"updateReason,omitempty"`
	UpdateReasonCode string         `json:"updateReasonCode,omitempty"`
	Generation       int64          `json:"generation"` // the newest generation this status speaks of
	Serving          int64          `json:"serving"`    // the generation whose environments serve; 0: none
	Settled          bool           `json:"settled"`    // has been Active or Failed once
	Applied          *ScalingConfig `json:"applied,omitempty"`
}

// ScalingConfig bounds the environments of a version. Nil sides are at their default.
type ScalingConfig struct {
	Min *int32 `json:"min,omitempty"` // default 3, lmi-service.md 3.4
	Max *int32 `json:"max,omitempty"` // default: no limit
}

// DefaultMinEnvironments start before a version turns Active, lmi-service.md 2.4.
const DefaultMinEnvironments = 3

// Minimum is the number of environments a version must have.
func (s *ScalingConfig) Minimum() int {
	if s == nil || s.Min == nil {
		return DefaultMinEnvironments
	}
	return int(*s.Min)
}

// Maximum is the number of environments a version may have; -1: no limit.
func (s *ScalingConfig) Maximum() int {
	if s == nil || s.Max == nil {
		return -1
	}
	return int(*s.Max)
}

// Alias points a name at a version.
type Alias struct {
	Scope
	Function    string             `json:"function"`
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Description string             `json:"description"`
	Weights     map[string]float64 `json:"weights,omitempty"`
	RevisionID  string             `json:"revisionId"`
}

// Key is the alias's store key below its table's prefix.
func (a Alias) Key() string { return Key(a.Account, a.Region, a.Function, a.Name) }

// State is the life-cycle state of a function version or capacity provider, in AWS's words.
type State string

// States, lmi-service.md 1.5.
const (
	StatePending            State = "Pending"
	StateActive             State = "Active"
	StateFailed             State = "Failed"
	StateDeactivating       State = "Deactivating"
	StateDeactivated        State = "Deactivated"
	StateActiveNonInvocable State = "ActiveNonInvocable"
	StateDeleting           State = "Deleting"
)

// LastUpdateStatus values.
const (
	UpdateSuccessful = "Successful"
	UpdateInProgress = "InProgress"
	UpdateFailed     = "Failed"
)

// State reason codes Lamina gives, lmi-service.md 1.5.
const (
	ReasonCreating          = "Creating"
	ReasonUpdating          = "Updating"
	ReasonVCPULimit         = "CapacityProviderScalingLimitExceeded"
	ReasonInsufficient      = "InsufficientCapacity"
	ReasonRolePermissions   = "InsufficientRolePermissions"
	ReasonNoAddresses       = "SubnetOutOfIPAddresses"
	ReasonInvalidSubnet     = "InvalidSubnet"
	ReasonInvalidGroup      = "InvalidSecurityGroup"
	ReasonInternal          = "InternalError"
	ReasonInvalidRuntime    = "InvalidRuntime"
	ReasonInvalidZip        = "InvalidZipFileException"
	ReasonInvalidImage      = "InvalidImage"
	ReasonInitTimeout       = "FunctionError.InitTimeout"
	ReasonRuntimeInit       = "FunctionError.RuntimeInitError"
	ReasonInvalidEntryPoint = "FunctionError.InvalidEntryPoint"
	ReasonInvalidWorkingDir = "FunctionError.InvalidWorkingDirectory"
	ReasonPermissionDenied  = "FunctionError.PermissionDenied"
	ReasonInitResources     = "FunctionError.InitResourceExhausted"
	ReasonExtensionInit     = "FunctionError.ExtensionInitError"
	ReasonTooManyExtensions = "FunctionError.TooManyExtensions"
)

// Texts of state reasons. Sources: lambda-api.md section 1, lmi-service.md 3.3.
const (
	TextCreating  = "The function is being created."
	TextUpdating  = "The function is being updated."
	TextVCPULimit = "MinimumExecutionEnvironments can't be provisioned because CapacityProvider has reached maxVCpuCount limit. Increase maxVCpuCount in the CapacityProvider configuration and try again."
	TextBadRole   = "The function's execution role doesn't have permission to perform this operation."
)

// How texts of ours begin (chosen): AWS has one reason code for what they tell apart.
const (
	TextNoType      = "No allowed instance type holds an environment"
	TextAgentEnded  = "its agent ended before it joined"
	TextAgentSilent = "its agent did not join within"
	TextAgentsEnd   = "instances in a row ended right after their launch"
	TextHostFull    = "This host "
	TextNoPackage   = "The code package can't be had"
)
