// Package bootstrap writes a runtime's own files to where the function sees them.
package bootstrap

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Install writes files into dir, readable for all whatever the umask is. A file
// is there whole or not at all.
func Install(files fs.FS, dir string) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return folder(filepath.Join(dir, name))
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return write(filepath.Join(dir, name), data)
	})
}

func folder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

func write(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
