// Package python holds the bootstrap that runs Python functions, to be written
// to where the function's interpreter finds it.
package python

import (
	_ "embed"
	"os"
	"path/filepath"
)

//go:embed bootstrap.py
var bootstrap []byte

// File is the bootstrap's name in the runtime folder.
const File = "bootstrap.py"

// OptVariable tells the bootstrap where the layers are when not at /opt.
const OptVariable = "LAMINA_OPT"

// Flags for the interpreter: no user site (the home folder is not the
// function's), nothing unsafe on the path, and no attempts to write to
// read-only folders.
var Flags = []string{"-s", "-P", "-B"}

// Install writes the bootstrap into dir, readable for all.
func Install(dir string) error {
	path := filepath.Join(dir, File)
	tmp := path + ".new"
	if err := os.WriteFile(tmp, bootstrap, 0o644); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o644); err != nil { // whatever the umask is
		return err
	}
	return os.Rename(tmp, path)
}
