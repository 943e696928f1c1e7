package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// view maps what a function sees to where it lies on the host, to tell faults of
// the entry point in the same words with every runtime.
type view map[string]string // path inside → host path

// outside gives the host path of a path inside.
func (v view) outside(inside string) string {
	inside = path.Clean("/" + inside)
	for at := inside; ; at = path.Dir(at) {
		if host, ok := v[at]; ok {
			return filepath.Join(host, strings.TrimPrefix(inside, at))
		}
	}
}

// workDir refuses a working folder that is not there; a runtime would make it.
func (v view) workDir(dir string) error {
	st, err := os.Stat(v.outside(dir))
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s is no folder", dir)
	}
	if err != nil {
		return fmt.Errorf("Runtime.InvalidWorkingDir: %w", v.inWords(dir, err))
	}
	return nil
}

// command gives the path inside of a command to run, searching the function's own PATH.
func (v view) command(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if err := v.executable(name); err != nil {
			return "", fmt.Errorf("Runtime.InvalidEntrypoint: %w", v.inWords(name, err))
		}
		return name, nil
	}
	for _, e := range env {
		list, ok := strings.CutPrefix(e, "PATH=")
		for _, dir := range filepath.SplitList(list) {
			if p := path.Join(dir, name); ok && path.IsAbs(p) && v.executable(p) == nil {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("Runtime.InvalidEntrypoint: %s: not found in PATH", name)
}

func (v view) executable(inside string) error {
	st, err := os.Lstat(v.outside(inside))
	switch {
	case err != nil:
		return err
	case st.Mode()&fs.ModeSymlink != 0:
		return nil // leads somewhere that only the environment itself can tell
	case st.IsDir(), st.Mode()&0o111 == 0:
		return &fs.PathError{Op: "exec", Path: inside, Err: fs.ErrPermission}
	}
	return nil
}

// inWords hides the host's path.
func (v view) inWords(inside string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", inside, pe.Err)
	}
	return err
}
