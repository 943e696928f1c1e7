// Package driver is the seam behind which managed instances are started: a
// driver only has to run `lamina agent` somewhere and to say when it is gone.
// What runs on an instance, and how many there are, is decided elsewhere.
package driver

import (
	"context"
	"time"

	"github.com/lamina-dev/lamina"
)

// Driver starts and ends instances. All methods but Run may be called from
// several goroutines. Its conformance suite is drivertest.
type Driver interface {
	// Launch starts an instance's agent and watches it. It returns when the agent
	// is under way, not when it has joined. A host that can't bear one more answers
	// with a *lamina.Error of code InsufficientCapacity that says what to do.
	Launch(ctx context.Context, spec Spec) (handle string, err error)
	// Terminate ends an instance's processes at once and returns when they and all
	// that was kept for them are gone. Repeating it is no error; an empty handle
	// means the caller never learned it.
	Terminate(ctx context.Context, id, handle string) error
	// Alive asks whether the instance still has processes.
	Alive(ctx context.Context, id, handle string) (bool, error)
	// Adopt watches an instance that an earlier server started. One that is gone
	// already is told on Gone, not as an error.
	Adopt(ctx context.Context, id, handle string) error
	// List finds every instance of this driver, known to the caller or not, so
	// that none leaks after a crash between Launch and the record of its handle.
	List(ctx context.Context) ([]Found, error)
	// Gone gives the ids of watched instances that ended, terminated ones
	// included. An id can come more than once; ask Alive when in doubt.
	Gone() <-chan string
	// Run watches until ctx ends. It leaves the instances running.
	Run(ctx context.Context) error
}

// Found is an instance that a driver knows of.
type Found struct {
	ID     string
	Handle string
	Alive  bool // false: only its remains are left, Terminate removes them
}

// Spec is one instance to launch.
type Spec struct {
	Instance   lamina.Instance
	ServerAddr string        // control address to dial: unix:///path or tcp://host:port
	Orphan     time.Duration // how long the agent lives without a server; 0: its default
	Settings   Settings
}

// Settings are the operator's choices that concern every instance alike.
type Settings struct {
	VCPUCores float64           // share of a core that one vCPU stands for
	CPULimit  CPULimit          // "" means weight
	Runtimes  map[string]string // interpreters named by hand: runtime → executable
	Roots     string            // folder of installed runtimes; "" means none are
	Images    string            // folder of unpacked images that instances of a host share
	Codes     string            // folder of unpacked code that they share; "" means that they share none
	LogLevel  string            // of the agent's own log; "" means info
	Sandbox   string            // plain, runc or runsc; "" means plain
	Ordinary  string            // the same for the environments of ordinary functions; "" means Sandbox
	Network   string            // of environments: host, none or vpc; "" means host
	Door      string            // unix socket at which the server answers environments
	Front     uint16            // port of its front door
}

// CPULimit says how an instance's vCPUs bind.
type CPULimit string

// The limits of --cpu-limit.
const (
	CPUWeight CPULimit = "weight" // a share that counts when the host is busy
	CPUHard   CPULimit = "hard"   // a quota that always counts
)
