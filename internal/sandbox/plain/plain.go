// Package plain runs execution environments as processes of this host, in
// namespaces of their own where the kernel permits it and in a process group
// elsewhere; it needs no daemon and no image.
package plain

import "os"

// StageArg is the hidden first argument with which this binary re-executes
// itself to build an environment from inside.
const StageArg = "sandbox-exec"

// Main must be called first thing in main (and TestMain) of every binary that
// uses this driver. It never returns when the process is a stage; else it returns at once.
func Main() {
	if len(os.Args) > 1 && os.Args[1] == StageArg {
		os.Exit(stage(os.Args[2:]))
	}
}
