package sim

import (
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/scheduler"
)

// Profile is what a call of a function does and what the function is given.
type Profile struct {
	CPU    time.Duration // of a core, per call
	Wait   time.Duration // per call, without CPU
	Jitter float64       // both vary evenly by so much of them to either side, 0..1

	MemoryMB   int32
	GiBPerVCPU float64
	Slots      int32 // invocations at once in one environment
	Min, Max   int   // environments; Max < 0: no limit
}

// config is the profile as a version's configuration, so that shares and slots
// follow from it by the same code as everywhere.
func (p Profile) config() lamina.FunctionConfig {
	return lamina.FunctionConfig{MemoryMB: p.MemoryMB, Capacity: &lamina.FunctionCapacity{MaxConcurrency: p.Slots, GiBPerVCPU: p.GiBPerVCPU}}
}

func (p Profile) need() scheduler.Need {
	return scheduler.Need{MilliVCPU: p.config().MilliVCPU(), MemoryMiB: int64(p.MemoryMB)}
}

// vcpus is the CPU share of one environment.
func (p Profile) vcpus() float64 { return float64(p.config().MilliVCPU()) / 1000 }

// Provider is where a function runs.
type Provider struct {
	MaxVCPU int32
	Target  float64 // CPU utilisation, 0..1; 0: Auto
	Zones   []string
	Offers  []scheduler.Offer // cheapest first
}

// Delays is how long things take. The zero value is instant.
type Delays struct {
	Launch time.Duration // of an instance, to its agent's first word
	Start  time.Duration // of an environment, to its runtime's first poll
	Round  time.Duration // of the controller, between two looks at least
}

// Local is about what the process driver needs on the development machine for an
// instance and a Go function; test/e2e/foretell_test.go compares.
var Local = Delays{Launch: 100 * time.Millisecond, Start: 150 * time.Millisecond, Round: 5 * time.Millisecond}

// Function is a version with its traffic.
type Function struct {
	Profile
	Provider int // index into Config.Providers
	Traffic  Traffic
	// Warm is how many environments serve from the beginning; less than Min: Min.
	Warm int
}

// Config is a whole run.
type Config struct {
	Seed      uint64
	Length    time.Duration
	Providers []Provider
	Functions []Function
	Delays    Delays
	Choice    Choice        // nil: the router's
	Every     time.Duration // between points of the series; 0: a second
	Faults    []Fault
	Aggregate bool // calls as amounts instead of single ones
	Audit     bool // follow each single call: costs memory
}
