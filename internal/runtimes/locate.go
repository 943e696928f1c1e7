package runtimes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina/internal/runtimes/roots"
)

// Places are where a runtime may come from on this machine.
type Places struct {
	Named map[string]string // executables the operator named, by runtime
	Roots *roots.Store      // root file systems that were installed; nil: none
}

// Locate gives what runs a runtime: the executable that the operator named, else
// the root file system that was installed for it, else the host's own
// interpreter. release must be called when it is used no more.
func Locate(ctx context.Context, runtime string, p Places) (in Interpreter, release func(), err error) {
	if p.Named[runtime] == "" {
		r, dir, release, ok, err := p.Roots.Use(ctx, runtime)
		if err != nil {
			return in, nil, &MissingError{Runtime: runtime, Reason: err.Error()}
		}
		if ok {
			in := Interpreter{Runtime: runtime, Path: r.Program, Version: r.Version, Root: dir, Own: r.Own}
			if err := servedBy(in); err != nil {
				release()
				return in, nil, err
			}
			return in, release, nil
		}
	}
	in, err = Find(ctx, runtime, p.Named)
	return in, func() {}, withInstall(err)
}

// servedBy says whether a root is of use: with a bootstrap of its own always.
func servedBy(in Interpreter) error {
	if in.Own {
		return nil
	}
	_, err := lookUp(in.Runtime)
	return err
}

// withInstall adds the command that installs what is missing.
func withInstall(err error) error {
	m, ok := errors.AsType[*MissingError](err)
	if !ok || len(roots.Ways(m.Runtime)) == 0 {
		return err
	}
	install := fmt.Sprintf("`lamina runtimes install %s`", m.Runtime)
	if strings.Contains(m.Remedy, install) {
		return err // a JVM's names it among others
	}
	if !slices.ContainsFunc(known, func(k knownRuntime) bool { return k.name == m.Runtime }) {
		return err // installed, it would be of no use
	}
	more := *m
	more.Remedy = "install it with " + install
	if m.Remedy != "" {
		more.Remedy += ", " + m.Remedy
	}
	return &more
}
