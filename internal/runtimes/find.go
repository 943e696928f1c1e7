package runtimes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// tryTime bounds one candidate: a shim may ask the network (chosen).
	tryTime = 5 * time.Second
	// missingFor is how long a failed search is believed: the operator may be
	// installing what was missing (chosen).
	missingFor = 10 * time.Second
)

// found keeps what was found by this process.
var found = cache{entries: map[cacheKey]cacheEntry{}}

type cacheKey struct{ runtime, override string }

type cacheEntry struct {
	in  Interpreter
	err error
	at  time.Time
}

type cache struct {
	mu      sync.Mutex // held during a search: a second search would only repeat it
	entries map[cacheKey]cacheEntry
}

func (c *cache) get(ctx context.Context, runtime, override string) (Interpreter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey{runtime, override}
	if e, ok := c.entries[key]; ok {
		if _, err := os.Stat(e.in.Path); e.err == nil && err == nil || e.err != nil && time.Since(e.at) < missingFor {
			return e.in, e.err
		}
	}
	in, err := findPython(ctx, runtime, override)
	if ctx.Err() == nil {
		c.entries[key] = cacheEntry{in, err, time.Now()}
	}
	return in, err
}

// findPython tries the candidates one by one until one runs and is the version.
func findPython(ctx context.Context, runtime, override string) (Interpreter, error) {
	version := strings.TrimPrefix(runtime, "python")
	list := pythonCandidates(version)
	if override != "" {
		list = []string{override}
	}
	var tried []string
	for _, path := range list {
		in, err := tryPython(ctx, runtime, version, path)
		if err == nil {
			return in, nil
		}
		if ctx.Err() != nil {
			return Interpreter{}, fmt.Errorf("looking for %s: %w", runtime, ctx.Err())
		}
		tried = append(tried, fmt.Sprintf("%s (%v)", path, err))
	}
	reason := "no interpreter found on this machine"
	if len(tried) > 0 {
		reason = "no interpreter runs here: tried " + strings.Join(tried, ", ")
	}
	return Interpreter{}, &MissingError{
		Runtime: runtime,
		Reason:  reason,
		Remedy: fmt.Sprintf("get one with `uv python install %s`, `pyenv install %s` or `brew install python@%s`, or name one with --runtime %s=PATH",
			version, version, version, runtime),
	}
}

// askPython makes a candidate tell what it is.
const askPython = `import sys,os,json
print(json.dumps({"version":"%d.%d.%d"%sys.version_info[:3],"prefix":sys.base_prefix,"path":os.path.realpath(sys.executable),"implementation":sys.implementation.name}))`

// tryPython runs a candidate: a name alone may be a shim for something else.
func tryPython(ctx context.Context, runtime, version, path string) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-I", "-c", askPython)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return Interpreter{}, explain(err)
	}
	var is struct{ Version, Prefix, Path, Implementation string }
	if err := json.Unmarshal(out, &is); err != nil {
		return Interpreter{}, errors.New("not a Python")
	}
	if !strings.HasPrefix(is.Version, version+".") {
		return Interpreter{}, errors.New("is Python " + is.Version)
	}
	if is.Implementation != "cpython" {
		return Interpreter{}, errors.New("is " + is.Implementation)
	}
	in := Interpreter{Runtime: runtime, Path: is.Path, Version: is.Version}
	if prefix, err := filepath.EvalSymlinks(is.Prefix); err == nil {
		if _, ok := within(prefix, in.Path); ok {
			in.Prefix = prefix
		}
	}
	return in, nil
}

// explain takes the last line that a failing candidate said.
func explain(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n"); lines[0] != "" {
			return errors.New(lines[0])
		}
	}
	return err
}

// pythonCandidates are the places where Pythons are, best first, each once.
func pythonCandidates(version string) []string {
	name := "python" + version
	var list []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		list = append(list, filepath.Join(dir, name))
	}
	for _, pattern := range pythonHomes(version) {
		matches, _ := filepath.Glob(filepath.Join(pattern, "bin", name))
		slices.Sort(matches)
		slices.Reverse(matches) // the newest patch, roughly
		list = append(list, matches...)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		list = append(list, filepath.Join(dir, "python3"))
	}
	var exist []string
	for _, path := range list {
		st, err := os.Stat(path)
		if err == nil && !st.IsDir() && st.Mode()&0o111 != 0 && filepath.IsAbs(path) && !slices.Contains(exist, path) {
			exist = append(exist, path)
		}
	}
	return exist
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

func envOr(name, other string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return other
}
