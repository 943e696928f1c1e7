package oci

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lamina-dev/lamina/internal/sandbox/hostfs"
)

// skeleton is the root that all environments of a driver share: mount points,
// links and small files, nothing that any of them can write.
type skeleton struct {
	dir   string
	binds []hostfs.Entry // what of the host is mounted in it
}

// mountPoints are the folders that every environment has.
var mountPoints = []string{"proc", "dev", "etc", "tmp", "opt", "var/task", "var/runtime", "var/lang", "var/rapid/log"}

// initPath is where an environment sees its first program, below its root: this
// binary where it runs several commands, else the reaper. AWS has its own init there.
const initPath = "var/rapid/init"

// makeSkeleton fills dir. A resolver takes the place of the host's.
func makeSkeleton(dir string, uid, gid int, resolver string) (*skeleton, error) {
	s := &skeleton{dir: dir}
	for _, name := range mountPoints {
		if err := os.MkdirAll(s.at(name), 0o755); err != nil {
			return nil, err
		}
	}
	// The runtime gives what it mounts there the same mode.
	if err := os.Chmod(s.at("tmp"), 0o777|os.ModeSticky); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.at(initPath), nil, 0o755); err != nil {
		return nil, err
	}
	entries, err := hostfs.Entries(resolver)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := s.add(e); err != nil {
			return nil, err
		}
	}
	for name, text := range hostfs.Files(uid, gid, resolver) {
		if err := os.WriteFile(s.at("etc/"+name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *skeleton) at(name string) string { return filepath.Join(s.dir, name) }

// add shows one entry. Small files are copied, which is cheaper than a mount for
// each environment; the resolver's may change while the agent runs.
func (s *skeleton) add(e hostfs.Entry) error {
	if e.Source == "" {
		if err := os.Symlink(e.Link, s.at(e.Path)); err != nil && !os.IsExist(err) {
			return err
		}
		return nil
	}
	st, err := os.Stat(e.Source)
	if err != nil {
		return err
	}
	switch {
	case st.IsDir():
		s.binds = append(s.binds, e)
		return os.MkdirAll(s.at(e.Path), 0o755)
	case e.Path == "etc/resolv.conf":
		s.binds = append(s.binds, e)
		return os.WriteFile(s.at(e.Path), nil, 0o644)
	default:
		return s.copy(e, st)
	}
}

func (s *skeleton) copy(e hostfs.Entry, st fs.FileInfo) error {
	data, err := os.ReadFile(e.Source)
	if err != nil {
		return fmt.Errorf("copying %s (%d bytes): %w", e.Source, st.Size(), err)
	}
	return os.WriteFile(s.at(e.Path), data, 0o644)
}
