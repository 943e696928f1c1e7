// Package plain runs execution environments as processes of this host, in
// namespaces of their own where the kernel permits it and in a process group
// elsewhere; it needs no daemon and no image.
//
// A caller that lives in a PID namespace of its own must have mounted its own
// /proc: starting and measuring processes looks them up there.
package plain

import (
	"os"
	"syscall"
)

// stageArg is the hidden first argument with which this binary re-executes
// itself to build an environment from inside.
const stageArg = "sandbox-exec"

var hooked bool

// Main must be called first thing in main (and TestMain) of every binary that
// uses this driver. It never returns when the process is a stage; else it returns at once.
func Main() {
	hooked = true
	if len(os.Args) != 2 {
		return
	}
	// Not os.Exit, which keeps a binary built for race detection waiting for a second.
	switch os.Args[1] {
	case stageArg:
		syscall.Exit(stage())
	case initArg:
		syscall.Exit(runInit())
	}
}
