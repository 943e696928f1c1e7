package python_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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

// These tests run the bootstrap as an agent does: in the plain sandbox, against
// the real Runtime API.

func TestMain(m *testing.M) {
	plain.Main()
	os.Exit(m.Run())
}

// fn is a running environment of a Python function.
type fn struct {
	*runtimeapi.Server
	t     testing.TB
	proc  sandbox.Process
	start time.Time

	mu   sync.Mutex
	logs []string
}

type options struct {
	runtime  string // default python3.13
	handler  string // default "app.handler"
	files    map[string]string
	packages string // a folder whose content comes with the code
	instead  string // of the bootstrap: a file beside the function's code
	slots    int    // 0: an ordinary function
	late     runtimeapi.LatePolicy
	env      map[string]string
	text     bool // text logs
}

func run(t testing.TB, code string, o options) *fn {
	t.Helper()
	o.runtime, o.handler = cmp.Or(o.runtime, "python3.13"), cmp.Or(o.handler, "app.handler")
	in, err := runtimes.Find(t.Context(), o.runtime, nil)
	if err != nil {
		t.Skip(err)
	}
	sb, err := driver()
	if err != nil {
		t.Fatal(err)
	}
	spec := sandbox.Spec{ID: "py", Dir: t.TempDir(), TaskDir: folder(t), RuntimeDir: folder(t), LangDir: in.Prefix}
	write(t, filepath.Join(spec.TaskDir, "app.py"), code)
	for name, text := range o.files {
		write(t, filepath.Join(spec.TaskDir, name), text)
	}
	if o.packages != "" {
		if err := os.CopyFS(spec.TaskDir, os.DirFS(o.packages)); err != nil {
			t.Fatal(err)
		}
	}
	if err := runtimes.Install(o.runtime, spec.RuntimeDir); err != nil {
		t.Fatal(err)
	}
	l, err := sb.Listen(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	f := &fn{t: t, Server: runtimeapi.New(runtimeapi.Config{
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f", Timeout: 10 * time.Second, MaxConcurrency: max(o.slots, 1), Late: o.late,
	})}
	layout := runtimes.Layout(sb.Layout(spec))
	format := "JSON"
	if o.text {
		format = "Text"
	}
	function := runtimes.Function{
		Name: "f", Version: "1", Handler: o.handler, MemoryMB: 2048, Region: "us-east-1", RuntimeAPI: l.Addr().String(),
		LogGroup: "/aws/lambda/f", LogStream: "stream", LogFormat: format, LogLevel: "INFO", MaxConcurrency: o.slots,
		ManagedInstances: o.slots > 0, Customer: o.env,
	}
	argv, extra, err := runtimes.Command(o.runtime, in, function, layout)
	if err != nil {
		t.Fatal(err)
	}
	if o.instead != "" {
		argv[len(argv)-1] = filepath.Join(layout.Task, o.instead)
	}
	spec.Argv, spec.Env = argv, runtimes.Environment(function, layout, extra)
	spec.Log = func(_ sandbox.Stream, line []byte) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.logs = append(f.logs, string(line))
	}
	served := make(chan struct{})
	go func() {
		f.Serve(context.Background(), l)
		close(served)
	}()
	f.start = time.Now()
	if f.proc, err = sb.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.proc.Kill()
		<-f.proc.Done()
		f.Close()
		<-served
		if t.Failed() {
			t.Logf("%v\n%s", f.proc.Exit(), clip(strings.Join(f.said(), "\n")))
		}
	})
	return f
}

var driver = sync.OnceValues(func() (*plain.Driver, error) { return plain.New(context.Background()) })

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func folder(t testing.TB) string {
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	return dir
}

func (f *fn) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.logs)
}

// log waits for a line that has all of parts.
func (f *fn) log(parts ...string) string {
	f.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
	line:
		for _, line := range f.said() {
			for _, p := range parts {
				if !strings.Contains(line, p) {
					continue line
				}
			}
			return line
		}
	}
	f.t.Fatalf("no log line with %q", parts)
	return ""
}

func (f *fn) ready() *fn {
	f.t.Helper()
	select {
	case <-f.Ready():
	case <-f.InitFailed():
		f.t.Fatalf("init failed: %s", f.InitError().Body)
	case <-f.proc.Done():
		f.t.Fatalf("ended: %v", f.proc.Exit())
	case <-time.After(2 * time.Minute):
		f.t.Fatal("never ready")
	}
	return f
}

// idle waits until n polls are parked.
func (f *fn) idle(n int) *fn {
	f.t.Helper()
	for end := time.Now().Add(20 * time.Second); f.Idle() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%d of %d workers poll", f.Idle(), n)
		}
	}
	return f
}

var serial struct {
	sync.Mutex
	n int
}

func (f *fn) invoke(event string, mod ...func(*runtimeapi.Invocation)) runtimeapi.Result {
	f.t.Helper()
	serial.Lock()
	serial.n++
	inv := &runtimeapi.Invocation{RequestID: fmt.Sprintf("req-%d", serial.n), Body: []byte(event)}
	serial.Unlock()
	for _, m := range mod {
		m(inv)
	}
	res, err := f.Invoke(context.Background(), inv)
	if err != nil {
		f.t.Errorf("%s: %v", inv.RequestID, err)
	}
	return res
}

// want checks the body of a good answer.
func (f *fn) want(event, body string, mod ...func(*runtimeapi.Invocation)) {
	f.t.Helper()
	res := f.invoke(event, mod...)
	if res.Status != runtimeapi.StatusOK || string(res.Body) != body {
		f.t.Errorf("%s: %d %s %s, want %s", event, res.Status, res.ErrorType, res.Body, body)
	}
}

type failure struct {
	ErrorType, ErrorMessage, RequestID string
	StackTrace                         []string
}

func parse(t testing.TB, body []byte) failure {
	t.Helper()
	var e failure
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	return e
}

func clip(s string) string {
	if len(s) > 8<<10 {
		return s[:8<<10] + " …"
	}
	return s
}
