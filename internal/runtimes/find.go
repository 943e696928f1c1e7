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
	in, err := find(ctx, runtime, override)
	if ctx.Err() == nil {
		c.entries[key] = cacheEntry{in, err, time.Now()}
	}
	return in, err
}

// language is how the interpreters of one family are found.
type language struct {
	prefix     string // of its runtimes' names, before the version
	candidates func(version string) []string
	try        func(ctx context.Context, path string) (is, error) // runs a candidate: a name alone may be a shim for something else
	remedy     func(runtime, version string) string               // commands that bring one
}

// is what a candidate says of itself.
type is struct{ Version, Prefix, Path, Implementation string }

var languages = []language{
	{"python", pythonCandidates, tryPython, pythonRemedy},
	{"nodejs", nodeCandidates, tryNode, nodeRemedy},
	{"java", javaCandidates, tryJava, javaRemedy},
}

// languageOf gives a runtime's language and the version of it: 22 of nodejs22.x.
func languageOf(runtime string) (lang language, version string, err error) {
	for _, l := range languages {
		if version, ok := strings.CutPrefix(runtime, l.prefix); ok {
			return l, strings.TrimSuffix(version, ".x"), nil
		}
	}
	return language{}, "", fmt.Errorf("runtime %s: no language of that name", runtime)
}

// find tries the candidates one by one until one runs and is the version.
func find(ctx context.Context, runtime, override string) (Interpreter, error) {
	lang, version, err := languageOf(runtime)
	if err != nil {
		return Interpreter{}, err
	}
	var list []string
	if override != "" {
		list = []string{override}
	} else {
		list = existing(lang.candidates(version))
	}
	var tried []string
	for _, path := range list {
		in, err := try(ctx, lang, runtime, version, path)
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
	return Interpreter{}, &MissingError{Runtime: runtime, Reason: reason, Remedy: fmt.Sprintf("get one with %s, or name one with --runtime %s=PATH (lamina check: --interpreter)", lang.remedy(runtime, version), runtime)}
}

// try runs one candidate.
func try(ctx context.Context, lang language, runtime, version, path string) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	is, err := lang.try(ctx, path)
	if err != nil {
		return Interpreter{}, err
	}
	if !strings.HasPrefix(is.Version, version+".") {
		return Interpreter{}, errors.New("is version " + is.Version)
	}
	in := Interpreter{Runtime: runtime, Path: is.Path, Version: is.Version}
	if prefix, err := filepath.EvalSymlinks(is.Prefix); err == nil {
		if _, ok := within(prefix, in.Path); ok {
			in.Prefix = prefix
		}
	}
	return in, nil
}

// ask runs a candidate that is to tell about itself in JSON.
func ask(ctx context.Context, path string, args ...string) (is, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return is{}, explain(err)
	}
	var answer is
	if err := json.Unmarshal(out, &answer); err != nil {
		return is{}, errors.New("not such an interpreter")
	}
	return answer, nil
}

// existing are the executables among paths, each once.
func existing(paths []string) (exist []string) {
	for _, path := range paths {
		st, err := os.Stat(path)
		if err == nil && !st.IsDir() && st.Mode()&0o111 != 0 && filepath.IsAbs(path) && !slices.Contains(exist, path) {
			exist = append(exist, path)
		}
	}
	return exist
}

// inHomes looks for an executable below the folders that patterns match, the newest
// patch of each first, roughly.
func inHomes(patterns []string, file string) (list []string) {
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(filepath.Join(pattern, file))
		slices.Sort(matches)
		slices.Reverse(matches)
		list = append(list, matches...)
	}
	return list
}

// onPath gives the places that the operator's PATH has for a name.
func onPath(name string) (list []string) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		list = append(list, filepath.Join(dir, name))
	}
	return list
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

func envOr(name, other string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return other
}
