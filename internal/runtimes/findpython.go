package runtimes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func pythonRemedy(_, version string) string {
	return fmt.Sprintf("`uv python install %s`, `pyenv install %s` or `brew install python@%s`", version, version, version)
}

// askPython makes a candidate tell what it is.
const askPython = `import sys,os,json
print(json.dumps({"version":"%d.%d.%d"%sys.version_info[:3],"prefix":sys.base_prefix,"path":os.path.realpath(sys.executable),"implementation":sys.implementation.name}))`

func tryPython(ctx context.Context, path string) (is, error) {
	answer, err := ask(ctx, path, "-I", "-c", askPython)
	if err == nil && answer.Implementation != "cpython" {
		err = errors.New("is " + answer.Implementation)
	}
	return answer, err
}

// pythonCandidates are the places where Pythons are, best first.
func pythonCandidates(version string) []string {
	name := "python" + version
	return slices.Concat(onPath(name), inHomes(pythonHomes(version), filepath.Join("bin", name)), onPath("python3"))
}

// pythonHomes are the folders of the usual installers, as patterns.
func pythonHomes(version string) []string {
	homes := []string{
		"/opt/homebrew/opt/python@" + version,
		"/usr/local/opt/python@" + version,
		"/home/linuxbrew/.linuxbrew/opt/python@" + version,
		"/Library/Frameworks/Python.framework/Versions/" + version,
		"/usr/local", "/usr", "/opt/python" + version, "/opt/python/" + version + "*",
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return homes
	}
	data := envOr("XDG_DATA_HOME", filepath.Join(home, ".local/share"))
	return append([]string{
		filepath.Join(envOr("PYENV_ROOT", filepath.Join(home, ".pyenv")), "versions", version+"*"),
		filepath.Join(envOr("UV_PYTHON_INSTALL_DIR", filepath.Join(data, "uv/python")), "cpython-"+version+"*"),
		filepath.Join(envOr("MISE_DATA_DIR", filepath.Join(data, "mise")), "installs/python", version+"*"),
		filepath.Join(envOr("ASDF_DATA_DIR", filepath.Join(home, ".asdf")), "installs/python", version+"*"),
	}, homes...)
}
