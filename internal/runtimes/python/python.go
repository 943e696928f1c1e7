// Package python holds the bootstrap that runs Python functions, to be written
// to where the function's interpreter finds it.
package python

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed bootstrap.py laminaruntime/*.py laminaruntime/check/*.py
var bootstrap embed.FS

// File is the bootstrap's first file in the runtime folder.
const File = "bootstrap.py"

// OptVariable tells the bootstrap where the layers are when not at /opt.
const OptVariable = "LAMINA_OPT"

// Flags for the interpreter: no user site (the home folder is not the
// function's), nothing unsafe on the path, and no attempts to write to
// read-only folders.
var Flags = []string{"-s", "-P", "-B"}

// Install writes the bootstrap into dir, readable for all.
func Install(dir string) error {
	return fs.WalkDir(bootstrap, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return folder(filepath.Join(dir, name))
		}
		text, err := bootstrap.ReadFile(name)
		if err != nil {
			return err
		}
		return write(filepath.Join(dir, name), text)
	})
}

func folder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755) // whatever the umask is
}

func write(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
