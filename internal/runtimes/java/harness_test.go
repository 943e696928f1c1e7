package java_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

func TestMain(m *testing.M) { runtimestest.Main(m, func() { os.RemoveAll(compiled.dir) }) }

type (
	options = runtimestest.Options
	fn      = runtimestest.Environment
)

// jvms are what tests can run on: by their runtimes' names, and the JDK of the machine if that is of
// another version, which java21 would refuse.
var jvms = sync.OnceValue(func() map[string]runtimes.Interpreter {
	all := map[string]runtimes.Interpreter{}
	for _, name := range []string{"java21", "java25"} {
		if in, err := runtimes.Find(context.Background(), name, nil); err == nil {
			all[name] = in
		}
	}
	if path, err := exec.LookPath("java"); err == nil && javacVersion() != "" {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			home := filepath.Dir(filepath.Dir(path))
			all["jdk"] = runtimes.Interpreter{Runtime: "java21", Path: path, Prefix: home, Version: javacVersion()}
		}
	}
	return all
})

// onEach runs a test on every JVM here.
func onEach(t *testing.T, test func(t *testing.T, jvm string)) {
	if len(jvms()) == 0 {
		t.Skip("no JVM here")
	}
	for name := range jvms() {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

// run starts an environment of one of the test's functions; without a JVM named, on the newest.
func run(t testing.TB, class string, o options) *fn {
	t.Helper()
	for _, name := range []string{"java25", "java21", "jdk"} {
		if _, ok := jvms()[name]; ok && o.Runtime == "" {
			o.Runtime = name
		}
	}
	in, ok := jvms()[o.Runtime]
	if !ok {
		t.Skip("no JVM here")
	}
	o.Interpreter, o.Runtime = &in, in.Runtime
	o.Handler = cmp.Or(o.Handler, "example.Functions$"+class)
	o.Packages = cmp.Or(o.Packages, functions(t))
	return runtimestest.Run(t, o)
}

var compiled struct {
	sync.Once
	dir string
}

// functions is the folder of the test's functions, compiled once.
func functions(t testing.TB) string {
	t.Helper()
	if javacVersion() == "" {
		t.Skip("no JDK to compile functions with")
	}
	compiled.Do(func() {
		classes := compile(t, release, "core.jar", sourcesOf(t, filepath.Join("testdata", "functions"))...)
		dir, err := os.MkdirTemp("", "lamina-java-")
		if err == nil {
			err = os.CopyFS(dir, os.DirFS(classes))
		}
		if err != nil {
			t.Fatal(err)
		}
		compiled.dir = dir
	})
	if compiled.dir == "" {
		t.Fatal("the functions do not compile")
	}
	return compiled.dir
}
