package codepkg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Merge makes dir the union of folders; where two have the same path the later
// one wins, but for folders, which are merged. Files are hard links.
func Merge(folders []string, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, from := range folders {
		err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == from {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			return lay(path, filepath.Join(dir, rel), d)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lay puts one entry of a layer over what earlier ones left at its place. Every
// folder on the way is a real one by then, so no link is followed.
func lay(from, to string, d fs.DirEntry) error {
	there, err := os.Lstat(to)
	switch {
	case err == nil && d.IsDir() && there.IsDir():
		return nil
	case err == nil:
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	switch {
	case d.IsDir():
		return os.Mkdir(to, 0o755)
	case d.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	return os.Link(from, to)
}
