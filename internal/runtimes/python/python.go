// Package python holds the bootstrap that runs Python functions, to be written
// to where the function's interpreter finds it.
package python

import (
	"embed"

	"github.com/lamina-dev/lamina/internal/runtimes/bootstrap"
)

//go:embed bootstrap.py laminaruntime/*.py laminaruntime/check/*.py
var files embed.FS

// File is the bootstrap's first file in the runtime folder.
const File = "bootstrap.py"

// OptVariable tells the bootstrap where the layers are when not at /opt.
const OptVariable = "LAMINA_OPT"

// Flags for the interpreter: no user site (the home folder is not the
// function's), nothing unsafe on the path, and no attempts to write to
// read-only folders.
var Flags = []string{"-s", "-P", "-B"}

// Install writes the bootstrap into dir.
func Install(dir string) error { return bootstrap.Install(files, dir) }
