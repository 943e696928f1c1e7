// Package runtimes knows what each Lambda runtime needs on this machine: its
// interpreter, its bootstrap files, its command and its environment variables.
package runtimes

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina/internal/runtimes/java"
	"github.com/lamina-dev/lamina/internal/runtimes/nodejs"
	"github.com/lamina-dev/lamina/internal/runtimes/python"
)

// Interpreter is a language found on this machine and seen to run.
type Interpreter struct {
	Runtime string // e.g. python3.13
	Path    string // real path of the executable; "" for runtimes without one
	Prefix  string // folder that holds the whole installation; "" if not relocatable
	Version string // e.g. 3.13.0

	Root string // folder of the root file system that Path lies in; "" for the host's
	Own  bool   // Path is a bootstrap that came with the root, and needs none of Lamina's
}

// Layout is where the function sees its folders (sandbox.Layout converts).
type Layout struct {
	Task, Runtime, Lang, Opt, Tmp string
}

// serviceLayout is AWS's own.
var serviceLayout = Layout{Task: "/var/task", Runtime: "/var/runtime", Lang: "/var/lang", Opt: "/opt", Tmp: "/tmp"}

// MissingError says that this machine can't serve a runtime, and what would help.
type MissingError struct {
	Runtime string
	Reason  string // what was looked for and how it failed
	Remedy  string // a command that brings it
}

func (e *MissingError) Error() string {
	s := fmt.Sprintf("runtime %s: %s", e.Runtime, e.Reason)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

type family int

const (
	familyPython family = iota
	familyNode
	familyJava
	familyProvided
	familyLater // known to AWS, not yet served here
)

type knownRuntime struct {
	name   string
	family family
}

// known are the runtimes that Lambda Managed Instances and ordinary functions
// may ask for, newest of their family first.
var known = []knownRuntime{
	{"python3.14", familyPython},
	{"python3.13", familyPython},
	{"python3.12", familyPython},
	{"python3.11", familyPython},
	{"nodejs24.x", familyNode},
	{"nodejs22.x", familyNode},
	{"nodejs20.x", familyNode},
	{"provided.al2023", familyProvided},
	{"provided.al2", familyProvided},
	{"java25", familyJava},
	{"java21", familyJava},
	{"dotnet10", familyLater},
	{"dotnet8", familyLater},
}

// lookUp gives a runtime's family, or why it has none.
func lookUp(runtime string) (family, error) {
	for _, k := range known {
		if k.name != runtime {
			continue
		}
		if k.family == familyLater {
			return k.family, &MissingError{Runtime: runtime, Reason: "not yet served by this version of Lamina"}
		}
		return k.family, nil
	}
	return familyLater, &MissingError{Runtime: runtime, Reason: "not known to this version of Lamina", Remedy: "it serves " + strings.Join(served(), ", ")}
}

// served are the names of those that can run.
func served() (names []string) {
	for _, k := range known {
		if k.family != familyLater {
			names = append(names, k.name)
		}
	}
	return names
}

// Find gives the interpreter for a runtime, or a *MissingError. overrides maps
// runtime names to executables the operator named. Results are kept per process.
func Find(ctx context.Context, runtime string, overrides map[string]string) (Interpreter, error) {
	f, err := lookUp(runtime)
	if err != nil {
		return Interpreter{}, err
	}
	if f == familyProvided {
		return Interpreter{Runtime: runtime}, nil
	}
	return found.get(ctx, runtime, overrides[runtime])
}

// Report is the state of one runtime on this machine.
type Report struct {
	Runtime     string
	Served      bool
	Interpreter Interpreter
	Problem     error // *MissingError when not served
}

// Available reports on every known runtime, served or not, for lamina doctor.
func Available(ctx context.Context, p Places) []Report {
	var reports []Report
	for _, k := range known {
		in, release, err := Locate(ctx, k.name, p)
		if err == nil {
			release() // only looked at
		}
		reports = append(reports, Report{Runtime: k.name, Served: err == nil, Interpreter: in, Problem: err})
	}
	return reports
}

// Install writes the runtime's bootstrap files into dir, the later RuntimeDir.
// Once per agent and runtime is enough: environments share it read-only.
func Install(runtime, dir string) error {
	f, err := lookUp(runtime)
	if err != nil {
		return err
	}
	switch f {
	case familyPython:
		err = python.Install(dir)
	case familyNode:
		err = nodejs.Install(dir)
	case familyJava:
		err = java.Install(dir)
	}
	if err != nil {
		return fmt.Errorf("installing the bootstrap of %s: %w", runtime, err)
	}
	return nil
}

// Command gives the argv that starts a function's runtime and the variables
// which AWS's own bootstrap sets besides Environment's. The interpreter's
// Prefix must be shown to the function as l.Lang.
func Command(runtime string, in Interpreter, fn Function, l Layout) (argv, env []string, err error) {
	if in.Own {
		return []string{in.Path}, nil, nil // it sets the rest itself
	}
	f, err := lookUp(runtime)
	if err != nil {
		return nil, nil, err
	}
	if l.Tmp != serviceLayout.Tmp {
		env = append(env, "TMPDIR="+l.Tmp)
	}
	if f == familyProvided {
		// AWS's order is /var/runtime, /var/task, /opt; the first is empty here.
		if fn.LayerBootstrap {
			return []string{filepath.Join(l.Opt, "bootstrap")}, env, nil
		}
		return []string{filepath.Join(l.Task, "bootstrap")}, env, nil
	}
	path := in.Path
	if rel, ok := within(in.Prefix, in.Path); ok {
		path = filepath.Join(l.Lang, rel)
	}
	start := wrapped(fn, l, path)
	env = append(env, "AWS_EXECUTION_ENV=AWS_Lambda_"+runtime)
	if f == familyJava {
		if l.Opt != serviceLayout.Opt {
			env = append(env, java.OptVariable+"="+l.Opt)
		}
		return slices.Concat(start, java.Flags(fn.MemoryMB, fn.VCPUs, fn.ManagedInstances), []string{"-cp", java.ClassPath(l.Runtime), java.Main}), env, nil
	}
	if f == familyNode {
		env = append(env, "NODE_PATH="+nodejs.Path(runtime, l.Opt, l.Runtime, l.Task), nodejs.VCPUVariable+"="+strconv.Itoa(fn.VCPUs))
		return slices.Concat(start, nodejs.Flags(fn.MemoryMB), []string{filepath.Join(l.Runtime, nodejs.File)}), env, nil
	}
	if l.Opt != serviceLayout.Opt {
		env = append(env, python.OptVariable+"="+l.Opt)
	}
	return slices.Concat(start, python.Flags, []string{filepath.Join(l.Runtime, python.File)}), env, nil
}

// wrapped puts the customer's wrapper before a managed runtime's interpreter (AWS:
// "runtimes-modify", "Wrapper scripts"), with the ends of AWS's own bootstraps
// where there is none that can be run.
func wrapped(fn Function, l Layout, interpreter string) []string {
	wrapper := fn.Customer["AWS_LAMBDA_EXEC_WRAPPER"]
	if wrapper == "" {
		return []string{interpreter}
	}
	if rel, ok := within(serviceLayout.Opt, wrapper); ok {
		wrapper = filepath.Join(l.Opt, rel)
	} else if rel, ok := within(serviceLayout.Task, wrapper); ok {
		wrapper = filepath.Join(l.Task, rel)
	}
	const script = `[ -f "$1" ] || { echo "$1: does not exist"; exit 127; }
[ -x "$1" ] || { echo "$1: is not an executable"; exit 126; }
exec "$@"`
	return []string{"/bin/sh", "-c", script, "bootstrap", wrapper, interpreter}
}

// within gives path relative to dir if it lies inside.
func within(dir, path string) (string, bool) {
	if dir == "" {
		return "", false
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	return rel, true
}
