// Package sandbox is the seam behind which one execution environment's
// processes run: a driver isolates them as well as it can, and says what it can't.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Sandbox starts execution environments. Its conformance suite is sandboxtest.
type Sandbox interface {
	// Listen opens the Runtime API's listener where the environment with this id
	// can reach it; its address goes into AWS_LAMBDA_RUNTIME_API before Start.
	Listen(ctx context.Context, id string) (net.Listener, error)
	// Layout says at which paths the function will see its folders.
	Layout(spec Spec) Layout
	// Start runs spec.Argv. ctx bounds the start only, not the process's life.
	Start(ctx context.Context, spec Spec) (Process, error)
	// Describe lists what is isolated and what is not, one aspect each.
	Describe() []Guarantee
}

// Process is a started environment: its first process and all descendants.
type Process interface {
	PID() int // as the host sees it
	// Done is closed once the whole tree is dead, the last log line was handed
	// over and nothing of the environment (cgroup, mounts) is left.
	Done() <-chan struct{}
	Exit() Exit                 // how the first process ended; valid after Done
	Signal(sig os.Signal) error // to the first process
	Kill() error                // the whole tree, at once; Done follows
	Usage() (Usage, error)      // of the whole tree
}

// Flusher is what a Process may do besides: hand over, before it returns, every
// log line written so far.
type Flusher interface{ FlushLog() }

// Command is one more process in an environment, which sees and may what the
// first one does.
type Command struct {
	Name    string   // a file name, unique in its environment
	Argv    []string // paths as the function sees them (Layout)
	Env     []string // the whole environment, exact
	WorkDir string   // as the function sees it; "" means Layout.Task
	// Log is as Spec.Log; nil discards.
	Log func(stream Stream, line []byte)
}

// Executor is what a Process can do that was started with Spec.Init: run
// commands next to each other. The Process of a command is that command alone:
// its Kill ends the command and its process group, its Done comes when it has
// ended and its last line was handed over, and with the environment's own.
type Executor interface {
	Exec(ctx context.Context, c Command) (Process, error)
}

// Dialer is what a Process may do besides: connect as if from inside its
// environment, whose loopback addresses may be its own.
type Dialer interface {
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
}

// Spec is one environment to run. Host paths are absolute.
type Spec struct {
	ID  string // unique on this host
	Dir string // scratch folder owned by the caller, who also removes it after Done

	// RootDir is the root file system, seen read-only; "" means the host's programs
	// and libraries. It must have the mount points (rootfs.Tree.Prepare), as real
	// folders and files.
	RootDir    string
	TaskDir    string // unpacked code, seen read-only as Layout.Task; may be empty with a RootDir
	RuntimeDir string // bootstrap files, seen as Layout.Runtime; may be empty
	LangDir    string // the interpreter's prefix, seen as Layout.Lang; may be empty
	LayersDir  string // merged layers, seen as Layout.Opt; may be empty
	// SocketDir holds Unix sockets of the caller's, seen in SocketPath where the
	// function's files are its own (ServiceLayout), else not at all; may be empty.
	SocketDir string

	// Init makes the first process one of the sandbox's own, which does nothing but
	// hold the environment together and bury the dead: Argv, Env and WorkDir are not
	// used, and the Process is an Executor.
	Init    bool
	Argv    []string // paths as the function sees them (Layout)
	Env     []string // the whole environment, exact
	WorkDir string   // as the function sees it; "" means Layout.Task

	UID, GID int   // 0 means the service's 993:990
	CPUs     []int // of the host's, that the processes may use; none given: all
	Limits   Limits
	// Cgroup is the group to create for this environment, relative to each cgroup
	// hierarchy's mount point; its parent must exist. "" means none.
	Cgroup string

	// Log receives each line of stdout and stderr without its newline, from one
	// goroutine per stream; line is reused after the call. nil discards.
	Log func(stream Stream, line []byte)
}

// Limits of one environment; zero means unlimited.
type Limits struct {
	MemoryBytes int64
	Pids        int64
	NoFile      uint64  // lowered to what this process may grant
	CPUShares   int64   // relative weight, 1024 is one vCPU's
	CPUQuota    float64 // hard limit in cores
	TmpBytes    int64
}

// Defaults for Spec's zero values.
const (
	DefaultUID = 993 // sbx_user1051 on AWS
	DefaultGID = 990
	// DefaultTmp is AWS's smallest and default size of /tmp, in bytes.
	DefaultTmp = 512 << 20
	// MaxLine bounds a log line; a longer one is handed over in pieces (chosen).
	MaxLine = 256 << 10
)

// Stream tells stdout from stderr.
type Stream int

// The two streams of a process.
const (
	Stdout Stream = iota
	Stderr
)

// Layout is where the function sees its folders.
type Layout struct {
	Task, Runtime, Lang, Opt, Tmp string
}

// SocketPath is where the function sees Spec.SocketDir.
const SocketPath = "/var/rapid/log"

// ServiceLayout is AWS's own.
var ServiceLayout = Layout{Task: "/var/task", Runtime: "/var/runtime", Lang: "/var/lang", Opt: "/opt", Tmp: "/tmp"}

// ErrNoRoot is what Start gives for a Spec.RootDir where no mounts are possible.
var ErrNoRoot = errors.New("a root file system of its own takes mount namespaces, which this machine does not permit to this user; run lamina as root, or permit user namespaces")

// Guarantee is one aspect of isolation.
type Guarantee struct {
	Aspect   string // "files", "processes", "user", "memory", "network" …
	Isolated bool
	Detail   string
}

// Exit is how an environment's first process ended.
type Exit struct {
	Code   int // exit status, -1 after a signal
	Signal syscall.Signal
	OOM    bool // the kernel killed for memory
}

// ExitOf reads how a process ended.
func ExitOf(state *os.ProcessState) Exit {
	if state == nil {
		return Exit{Code: -1}
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok {
		return ExitOfStatus(ws)
	}
	return Exit{Code: state.ExitCode()}
}

// ExitOfStatus reads how a process ended from its wait status.
func ExitOfStatus(ws syscall.WaitStatus) Exit {
	if ws.Signaled() {
		return Exit{Code: -1, Signal: ws.Signal()}
	}
	return Exit{Code: ws.ExitStatus()}
}

// String is the wording of Go and of AWS: "exit status 1" or "signal: killed".
func (e Exit) String() string {
	if e.Signal != 0 {
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Fault gives the error type and text that AWS attributes to a runtime's end.
func (e Exit) Fault() (errorType, message string) {
	switch {
	case e.OOM:
		return "Runtime.OutOfMemory", "Runtime exited with error: " + e.String()
	case e.Code == 0 && e.Signal == 0:
		return "Runtime.ExitError", "Runtime exited without providing a reason"
	default:
		return "Runtime.ExitError", "Runtime exited with error: " + e.String()
	}
}

// Usage is what an environment has used so far.
type Usage struct {
	CPU         time.Duration // user and system, of dead children too where a cgroup counts
	MemoryBytes int64         // now
}
