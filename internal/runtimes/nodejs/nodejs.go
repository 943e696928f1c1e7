// Package nodejs holds the bootstrap that runs Node.js functions, to be written
// to where the function's interpreter finds it.
package nodejs

import (
	"embed"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina/internal/runtimes/bootstrap"
)

//go:embed *.mjs check/*.mjs
var files embed.FS

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

// Install writes the bootstrap into dir.
func Install(dir string) error { return bootstrap.Install(files, dir) }
