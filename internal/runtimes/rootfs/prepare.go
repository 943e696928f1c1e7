package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// What a sandbox mounts in every root: folders, and files; the last
// is the init of environments that run several commands.
var (
	mountDirs  = []string{"proc", "dev", "tmp", "var/rapid/log"}
	mountFiles = []string{"etc/hosts", "etc/resolv.conf", "var/rapid/init"}
)

// RuntimeDirs are the folders of a function besides, where the root is a
// runtime's and not the function's own image.
var RuntimeDirs = []string{"var/task", "var/runtime", "opt"}

// Prepare makes the mount points that every sandbox needs, and dirs: real folders
// and files, so that mounting follows no link of the archive's.
func (t *Tree) Prepare(dirs ...string) error {
	for _, dir := range append(mountDirs, dirs...) {
		if err := t.realDir(dir); err != nil {
			return err
		}
	}
	// Container runtimes give what they mount there the same mode.
	if err := t.root.Chmod("tmp", 0o777|fs.ModeSticky); err != nil {
		return t.fault("set a folder's mode", err)
	}
	for _, file := range mountFiles {
		if err := t.realDir(path.Dir(file)); err != nil {
			return err
		}
		if st, err := t.root.Lstat(file); err == nil && st.Mode().IsRegular() {
			continue
		}
		if err := t.Write(file, ""); err != nil {
			return err
		}
	}
	return nil
}

// Write replaces one file below a real folder.
func (t *Tree) Write(name, text string) error {
	if err := t.remove(name); err != nil {
		return err
	}
	if err := t.root.WriteFile(name, []byte(text), 0o644); err != nil {
		return t.fault("write a file", err)
	}
	return nil
}

// realDir makes dir a folder on a way of folders; what else has its place goes.
func (t *Tree) realDir(dir string) error {
	at := "."
	for _, part := range strings.Split(dir, "/") {
		at = path.Join(at, part)
		st, err := t.root.Lstat(at)
		if err == nil && st.IsDir() {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return t.fault("look at a mount point", err)
		}
		if err := t.remove(at); err != nil {
			return err
		}
		if err := t.root.Mkdir(at, 0o755); err != nil {
			return fmt.Errorf("make a mount point: %w", err)
		}
	}
	return nil
}
