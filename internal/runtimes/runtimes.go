// Package runtimes knows what each Lambda runtime needs on this machine: its
// interpreter, its bootstrap files, its command and its environment variables.
package runtimes

import (
	"context"
	"fmt"
)

// Interpreter is a language found on this machine and seen to run.
type Interpreter struct {
	Runtime string // e.g. python3.13; "" for runtimes without one
	Path    string // real path of the executable
	Prefix  string // folder that holds the whole installation; "" if not relocatable
	Version string // e.g. 3.13.0
}

// Layout is where the function sees its folders (sandbox.Layout converts).
type Layout struct {
	Task, Runtime, Lang, Opt, Tmp string
}

// MissingError says that this machine can't serve a runtime, and what would help.
type MissingError struct {
	Runtime string
	Reason  string // what was looked for and how it failed
	Remedy  string // a command that brings it
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("runtime %s: %s; %s", e.Runtime, e.Reason, e.Remedy)
}

// ArchitectureError says that a package holds code for another machine.
type ArchitectureError struct {
	File, Has, Want string
}

func (e *ArchitectureError) Error() string {
	return fmt.Sprintf("%s is built for %s, but the function's architecture is %s", e.File, e.Has, e.Want)
}

// Find gives the interpreter for a runtime, or a *MissingError. overrides maps
// runtime names to executables the operator named. Results are kept per process.
func Find(ctx context.Context, runtime string, overrides map[string]string) (Interpreter, error) {
	panic("todo")
}

// Report is the state of one runtime on this machine.
type Report struct {
	Runtime     string
	Served      bool
	Interpreter Interpreter
	Problem     error // *MissingError when not served
}

// Available reports on every known runtime, served or not, for lamina doctor.
func Available(ctx context.Context, overrides map[string]string) []Report { panic("todo") }

// Install writes the runtime's bootstrap files into dir, the later RuntimeDir.
// Once per agent and runtime is enough: environments share it read-only.
func Install(runtime, dir string) error { panic("todo") }

// Check tells whether the unpacked package can start here: a *MissingError or
// *ArchitectureError (architecture is x86_64 or arm64), or another reason in words.
func Check(runtime, architecture, taskDir string) error { panic("todo") }

// Command gives the argv that starts a function's runtime and the variables
// which AWS's own bootstrap sets besides Environment's.
func Command(runtime string, in Interpreter, handler string, l Layout) (argv, env []string, err error) {
	panic("todo")
}
