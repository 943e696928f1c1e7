package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// view maps what a function sees to where it lies on the host, to tell faults of
// the entry point in the same words with every runtime.
type view map[string]string // path inside → host path

// outside gives the host path of a path inside, of which only the last element
// may be a link.
func (v view) outside(inside string) string {
	inside = path.Clean("/" + inside)
	for at := inside; ; at = path.Dir(at) {
		if host, ok := v[at]; ok {
			return filepath.Join(host, strings.TrimPrefix(inside, at))
		}
	}
}

// maxLinks is how many links a path may lead through (Linux).
const maxLinks = 40

// stat looks at a path as the function would: links lead within its root, never
// to the host's files.
func (v view) stat(inside string) (fs.FileInfo, error) {
	at, rest := "/", strings.Split(inside, "/")
	st, err := os.Lstat(v.outside(at))
	for links := 0; len(rest) > 0 && err == nil; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if st, err = os.Lstat(v.outside(next)); err != nil || st.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nil, &fs.PathError{Op: "stat", Path: inside, Err: syscall.ELOOP}
		}
		var to string
		if to, err = os.Readlink(v.outside(next)); path.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return st, err
}

// workDir refuses a working folder that is not there; a runtime would make it.
func (v view) workDir(dir string) error {
	st, err := v.stat(dir)
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
	st, err := v.stat(inside)
	switch {
	case err != nil:
		return err
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
