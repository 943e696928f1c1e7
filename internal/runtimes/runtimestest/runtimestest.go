// Package runtimestest runs a language's bootstrap in tests as an agent does: in
// the plain sandbox, against the real Runtime API. The test binary's TestMain
// must call Main.
package runtimestest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

// Main is a test binary's TestMain: the sandbox runs the binary again. after is
// what is to be done once all tests have ended.
func Main(m *testing.M, after ...func()) {
	plain.Main()
	code := m.Run()
	for _, f := range after {
		f()
	}
	os.Exit(code)
}

// Options say which function runs, and how. Runtime, Handler and, with Code, File
// have no default.
type Options struct {
	Runtime  string
	Handler  string
	Code     string
	File     string            // of the package, gets Code
	Files    map[string]string // further ones
	Packages string            // a folder whose content comes with the code
	Instead  string            // of the bootstrap: a file of the package, which the interpreter runs
	Slots    int               // 0: an ordinary function
	Late     runtimeapi.LatePolicy
	Env      map[string]string // the customer's
	Text     bool              // text logs
	MemoryMB int               // default 2048
	Watch    string            // settings of `lamina check`'s watch as JSON members, without "out"; "" means no watch
	// Alter changes the installed bootstrap in its folder; nil: nothing.
	Alter func(dir string) error
	// Interpreter is used instead of the one that is found; nil: none.
	Interpreter *runtimes.Interpreter
}

// Environment is a running environment of a function.
type Environment struct {
	*runtimeapi.Server
	Process sandbox.Process
	Started time.Time
	Watch   *Watch // with Options.Watch

	t    testing.TB
	mu   sync.Mutex
	logs []string
}

var driver = sync.OnceValues(func() (*plain.Driver, error) { return plain.New(context.Background()) })

// Run starts an environment and ends it with the test, which is skipped where
// the runtime's interpreter is missing.
func Run(t testing.TB, o Options) *Environment {
	t.Helper()
	in := interpreter(t, o)
	sb, err := driver()
	must(t, err)
	spec := sandbox.Spec{ID: "env", Dir: t.TempDir(), TaskDir: packageFolder(t, o), RuntimeDir: folder(t), LangDir: in.Prefix}
	must(t, runtimes.Install(o.Runtime, spec.RuntimeDir))
	if o.Alter != nil {
		must(t, o.Alter(spec.RuntimeDir))
	}
	l, err := sb.Listen(t.Context(), spec.ID)
	must(t, err)
	f := &Environment{t: t, Server: runtimeapi.New(runtimeapi.Config{
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f", Timeout: 10 * time.Second, MaxConcurrency: max(o.Slots, 1), Late: o.Late,
	})}
	layout := runtimes.Layout(sb.Layout(spec))
	if o.Watch != "" {
		f.Watch = listen(t, filepath.Join(spec.RuntimeDir, pipe))
		o.Env = maps.Clone(o.Env)
		if o.Env == nil {
			o.Env = map[string]string{}
		}
		o.Env["LAMINA_CHECK"] = fmt.Sprintf(`{"out": %q, %s}`, filepath.Join(layout.Runtime, pipe), o.Watch)
	}
	function := function(o, l.Addr().String())
	argv, extra, err := runtimes.Command(o.Runtime, in, function, layout)
	must(t, err)
	if o.Instead != "" {
		argv[len(argv)-1] = filepath.Join(layout.Task, o.Instead)
	}
	spec.Argv, spec.Env, spec.Log = argv, runtimes.Environment(function, layout, extra), f.keep
	served := make(chan struct{})
	go func() {
		f.Serve(context.Background(), l)
		close(served)
	}()
	f.Started = time.Now()
	f.Process, err = sb.Start(t.Context(), spec)
	must(t, err)
	t.Cleanup(func() {
		f.Kill()
		f.Close()
		<-served
		if t.Failed() {
			t.Logf("%v\n%s", f.Process.Exit(), clip(strings.Join(f.Logs(), "\n")))
		}
	})
	return f
}

func interpreter(t testing.TB, o Options) runtimes.Interpreter {
	t.Helper()
	if o.Interpreter != nil {
		return *o.Interpreter
	}
	in, err := runtimes.Find(t.Context(), o.Runtime, nil)
	if err != nil {
		t.Skip(err)
	}
	return in
}

func function(o Options, address string) runtimes.Function {
	format := "JSON"
	if o.Text {
		format = "Text"
	}
	return runtimes.Function{
		Name: "f", Version: "1", Handler: o.Handler, MemoryMB: cmp.Or(o.MemoryMB, 2048), VCPUs: 1, Region: "us-east-1", RuntimeAPI: address,
		LogGroup: "/aws/lambda/f", LogStream: "stream", LogFormat: format, LogLevel: "INFO", MaxConcurrency: o.Slots,
		ManagedInstances: o.Slots > 0, Customer: o.Env,
	}
}

func packageFolder(t testing.TB, o Options) string {
	t.Helper()
	dir := folder(t)
	if o.Code != "" {
		write(t, filepath.Join(dir, o.File), o.Code)
	}
	for name, text := range o.Files {
		write(t, filepath.Join(dir, name), text)
	}
	if o.Packages != "" {
		must(t, os.CopyFS(dir, os.DirFS(o.Packages)))
	}
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// folder is a temporary folder that the function's user may enter.
func folder(t testing.TB) string {
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	return dir
}

func clip(s string) string {
	if len(s) > 8<<10 {
		return s[:8<<10] + " …"
	}
	return s
}

func (f *Environment) keep(_ sandbox.Stream, line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, string(line))
}

// Kill ends the environment's processes and waits for their end.
func (f *Environment) Kill() {
	f.Process.Kill()
	<-f.Process.Done()
}

// Logs are the lines so far.
func (f *Environment) Logs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.logs)
}
