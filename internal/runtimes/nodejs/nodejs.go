// Package nodejs holds the bootstrap that runs Node.js functions, to be written
// to where the function's interpreter finds it.
package nodejs

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed *.mjs check/*.mjs
var bootstrap embed.FS

// File is the bootstrap's first file in the runtime folder.
const File = "index.mjs"

// VCPUVariable tells the bootstrap how many vCPUs the environment has.
const VCPUVariable = "LAMINA_VCPUS"

// Flags are the interpreter's, as AWS's own start script has them: the heap in
// proportion to the function's memory (known from the process lists of AWS's
// environments, in no document).
func Flags(memoryMB int) []string {
	return []string{
		"--expose-gc", "--max-http-header-size=81920",
		"--max-semi-space-size=" + strconv.Itoa(max(memoryMB*5/100, 1)),
		"--max-old-space-size=" + strconv.Itoa(max(memoryMB*90/100, 1)),
	}
}

// Path is AWS's NODE_PATH for a runtime (e.g. nodejs22.x), with the folders as
// the function sees them.
func Path(name, opt, runtime, task string) string {
	layer := strings.TrimSuffix(strings.TrimPrefix(name, "nodejs"), ".x")
	return strings.Join([]string{
		opt + "/nodejs/node" + layer + "/node_modules", opt + "/nodejs/node_modules", runtime + "/node_modules", runtime, task,
	}, ":")
}

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
	if err := os.Chmod(tmp, 0o644); err != nil { // whatever the umask is
		return err
	}
	return os.Rename(tmp, path)
}
