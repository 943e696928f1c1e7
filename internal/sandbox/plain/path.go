package plain

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// lookPath finds a bare command name in the function's own PATH.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, v := range env {
		if list, ok := strings.CutPrefix(v, "PATH="); ok {
			for _, dir := range filepath.SplitList(list) {
				if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil && filepath.IsAbs(p) {
					return p, nil
				}
			}
		}
	}
	return "", fmt.Errorf("%s: not found in PATH", name)
}
