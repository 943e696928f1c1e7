// Package roots keeps the root file systems of runtimes on this machine: which
// are installed, where more come from, and how they are brought.
package roots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
)

// Root is an installed root file system of one runtime.
type Root struct {
	Runtime   string    `json:"runtime"`
	Digest    string    `json:"digest"`            // SHA-256 (hex) of what it was unpacked from
	Source    string    `json:"source"`            // in words: what it was made of
	Program   string    `json:"program,omitempty"` // the interpreter, as a path inside; "" for runtimes without one
	Own       bool      `json:"own,omitempty"`     // Program is a bootstrap that came with the root
	Version   string    `json:"version,omitempty"` // as the interpreter told; "" when it could not be asked
	Bytes     int64     `json:"bytes,omitempty"`   // of its files
	Installed time.Time `json:"installed"`
}

// Store is the folder of installed roots, which all servers of a user share.
type Store struct{ path string }

// Open names the folder; it need not exist.
func Open(path string) *Store { return &Store{path} }

const suffix = ".json"

// List gives the installed roots by runtime.
func (s *Store) List() ([]Root, error) {
	files, err := filepath.Glob(filepath.Join(s.path, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("list installed runtimes: %w", err)
	}
	var list []Root
	for _, f := range files {
		r, ok, err := s.Get(strings.TrimSuffix(filepath.Base(f), suffix))
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, r)
		}
	}
	return list, nil
}

// Get tells what is installed for a runtime.
func (s *Store) Get(runtime string) (r Root, ok bool, err error) {
	if s == nil || s.path == "" || !filepath.IsLocal(runtime) {
		return r, false, nil
	}
	data, err := os.ReadFile(s.file(runtime))
	if absent(err) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("read what is installed for %s: %w; remove it with: lamina runtimes remove %s", runtime, err, runtime)
	}
	return r, true, nil
}

// absent says that there is nothing of ours: what may not be read is in the home of somebody else, and theirs.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

func (s *Store) file(runtime string) string { return filepath.Join(s.path, runtime+suffix) }

// Use gives the folder of a runtime's root until release is called; ok is false
// where none is installed.
func (s *Store) Use(ctx context.Context, runtime string) (r Root, dir string, release func(), ok bool, err error) {
	if r, ok, err = s.Get(runtime); !ok || err != nil {
		return r, "", nil, false, err
	}
	dirs, err := rootfs.OpenDir(s.path)
	if err != nil {
		return r, "", nil, false, err
	}
	dir, release, err = dirs.Use(ctx, r.Digest, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return r, "", nil, false, fmt.Errorf("the root file system of %s is gone from %s; bring it back with: lamina runtimes install %s", runtime, s.path, runtime)
	}
	return r, dir, release, err == nil, err
}

// put records a root that is in place.
func (s *Store) put(r Root) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Runtime, err)
	}
	temp := s.file(r.Runtime) + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return fmt.Errorf("record %s: %w", r.Runtime, err)
	}
	if err := os.Rename(temp, s.file(r.Runtime)); err != nil {
		return fmt.Errorf("record %s: %w", r.Runtime, err)
	}
	return nil
}

// Remove forgets a runtime's root; Collect then removes its files.
func (s *Store) Remove(runtime string) (was bool, err error) {
	err = os.Remove(s.file(runtime))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove runtime %s: %w", runtime, err)
	}
	return true, nil
}

// Collect removes the files of roots that are installed no more and not in use.
func (s *Store) Collect() error {
	if _, err := os.Stat(s.path); absent(err) {
		return nil
	}
	list, err := s.List()
	if err != nil {
		return err
	}
	dirs, err := rootfs.OpenDir(s.path)
	if err != nil {
		return err
	}
	_, err = dirs.Collect(func(digest string) bool {
		return slices.ContainsFunc(list, func(r Root) bool { return r.Digest == digest })
	})
	return err
}
