package agent_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina/internal/agent"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/sandbox/oci"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
	"github.com/lamina-dev/lamina/internal/wire"
)

// TestMain lets this binary be the agent and the sandbox's stage, as lamina's is.
func TestMain(m *testing.M) {
	plain.Main()
	oci.Main()
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		if err := agent.Main(context.Background(), os.NewFile(agent.StartFD, "start")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(buildDir)
		os.Exit(code)
	}))
}

var box = sync.OnceValues(func() (*plain.Driver, error) { return plain.New(context.Background()) })

// start runs an agent in this process until the test ends.
func start(t *testing.T, s *server, change func(*agent.Config)) (ended <-chan error, dir string) {
	t.Helper()
	sandbox, err := box()
	if err != nil {
		t.Fatal(err)
	}
	dir, err = os.MkdirTemp("", "ag")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	cfg := agent.Config{
		Start:   wire.Start{InstanceID: "i-0123456789abcdef0", Token: "secret", ServerAddr: s.addr(), Dir: dir},
		Sandbox: sandbox,
		Log:     slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result, closed := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(closed)
		result <- agent.Run(ctx, cfg)
	}()
	t.Cleanup(func() {
		cancel()
		<-closed
		left, _ := os.ReadDir(dir)
		if len(left) > 0 {
			t.Errorf("the agent left %v", left)
		}
		os.RemoveAll(dir)
	})
	return result, dir
}

// zipped stores files without compressing them, which the race detector makes slow.
func zipped(files map[string]string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

func mustZip(t *testing.T, files map[string]string) []byte {
	t.Helper()
	b, err := zipped(files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var buildDir string

// goPackageVar names a file with the function's package, for a test process that can't build it.
const goPackageVar = "LAMINA_TEST_GO_PACKAGE"

// goPackage holds a real aws-lambda-go function.
var goPackage = sync.OnceValues(func() ([]byte, error) {
	if path := os.Getenv(goPackageVar); path != "" {
		return os.ReadFile(path)
	}
	dir, err := os.MkdirTemp("", "handler")
	if err != nil {
		return nil, err
	}
	buildDir = dir
	bin := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "github.com/lamina-dev/lamina/internal/runtimeapi/testhandler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the handler: %w\n%s", err, out)
	}
	data, err := os.ReadFile(bin)
	if err != nil {
		return nil, err
	}
	return zipped(map[string]string{"bootstrap": string(data)})
})

var architecture = map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]

var nextID int

func spec(sha, lang string, slots int) wire.EnvironmentSpec {
	nextID++
	return wire.EnvironmentSpec{
		ID:           fmt.Sprintf("%032x", nextID),
		VersionKey:   "000000000000/us-east-1/f/1",
		Generation:   1,
		FunctionARN:  "arn:aws:lambda:us-east-1:000000000000:function:f:1",
		Function:     "f",
		Qualifier:    "1",
		AccountID:    "000000000000",
		Region:       "us-east-1",
		Runtime:      lang,
		Handler:      "app.handler",
		CodeSHA256:   sha,
		Architecture: architecture,
		MemoryMB:     2048,
		MilliVCPU:    1000,
		TmpMB:        512,
		Timeout:      10 * time.Second,
		InitTimeout:  30 * time.Second,
		Slots:        slots,
		Managed:      true,
		Variables:    map[string]string{"COLOUR": "blue"},
		LogGroup:     "/aws/lambda/f",
		LogStream:    "stream",
		LogFormat:    "JSON",
		SysLogLevel:  "INFO",
	}
}

func goSpec(t testing.TB, s *server, slots int) wire.EnvironmentSpec {
	t.Helper()
	pkg, err := goPackage()
	if err != nil {
		t.Fatal(err)
	}
	return spec(s.add(pkg), "provided.al2023", slots)
}

func pythonSpec(t *testing.T, s *server, slots int, app string) wire.EnvironmentSpec {
	t.Helper()
	if _, err := runtimes.Find(t.Context(), "python3.13", nil); err != nil {
		t.Skip("no python3.13: ", err)
	}
	return spec(s.add(mustZip(t, map[string]string{"app.py": app})), "python3.13", slots)
}

const pythonApp = `
import os, time
def handler(event, context):
    print("said", event["token"])
    time.sleep(event.get("sleep", 0))
    return {"token": event["token"], "pid": os.getpid(), "id": context.aws_request_id,
            "colour": os.environ["COLOUR"], "version": context.function_version}
`

// overlap makes n calls at once and wants all of them answered with their own token.
func overlap(t *testing.T, s *server, id string, n int, event func(token string) string) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		r := s.router()
		wg.Go(func() {
			token := fmt.Sprintf("token-%d", i)
			out, err := r.invoke(wire.Invoke{EnvironmentID: id, RequestID: "req-" + token, FunctionARN: "arn:f", Body: []byte(event(token))})
			if err != nil || out.Outcome != wire.OutcomeOK || !strings.Contains(out.body, `"`+token+`"`) {
				t.Errorf("%s: %v %+v", token, err, out)
			}
		})
	}
	wg.Wait()
}

func TestPython(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := pythonSpec(t, s, 16, pythonApp)
	s.assign(e)
	st := s.waitState(e.ID, wire.EnvironmentReady)
	if st.PID == 0 || st.Slots != 16 || st.ReadyAt.Before(st.StartedAt) {
		t.Errorf("status %+v", st)
	}
	overlap(t, s, e.ID, 16, func(token string) string { return `{"token": "` + token + `", "sleep": 0.4}` })
	s.waitLine(e.ID, `"platform.report"`)
	lines := s.linesOf(e.ID)
	first := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"platform.report"`) })
	if n := strings.Count(strings.Join(lines[:first], ""), `"platform.start"`); n < 2 {
		t.Error("16 calls of 400 ms ran in turn")
	}
	s.waitLine(e.ID, "said token-15")
	s.waitLine(e.ID, `"platform.initStart"`, `"lambda-managed-instances"`)
	s.waitLine(e.ID, `"platform.initReport"`, `"success"`)
	s.waitLine(e.ID, `"platform.start"`, "req-token-3")
	report := s.waitLine(e.ID, `"platform.report"`, "req-token-3", `"durationMs":`)
	_, rest, _ := strings.Cut(report, `"durationMs":`)
	if ms, err := strconv.ParseFloat(rest[:max(0, strings.IndexAny(rest, ",}"))], 64); err != nil || ms < 400 || ms > 60_000 {
		t.Errorf("a call of 400 ms is reported as %v", report)
	}
}

func TestGo(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	a, b := goSpec(t, s, 16), goSpec(t, s, 16)
	s.assign(a, b)
	s.waitState(a.ID, wire.EnvironmentReady)
	s.waitState(b.ID, wire.EnvironmentReady)
	if s.fetched != 1 {
		t.Errorf("the package was fetched %d times", s.fetched)
	}
	overlap(t, s, a.ID, 16, func(token string) string { return `{"token": "` + token + `", "sleepMs": 300}` })
	overlap(t, s, b.ID, 4, func(token string) string { return `{"token": "` + token + `"}` })

	t.Run("used resources are reported", func(t *testing.T) {
		s.wait("usage", func() bool { return s.status(a.ID).Memory > 0 && s.status(a.ID).InFlight == 0 })
	})
	t.Run("a function's error", func(t *testing.T) {
		out, err := s.router().invoke(wire.Invoke{EnvironmentID: a.ID, RequestID: "bad", Body: []byte(`{"fail": "oh no"}`)})
		if err != nil || out.Outcome != wire.OutcomeFunctionError || !strings.Contains(out.body, "oh no") {
			t.Errorf("%v %+v", err, out)
		}
		s.waitLine(a.ID, `"platform.report"`, `"bad"`, `"error"`)
	})
	t.Run("unknown environment", func(t *testing.T) {
		out, err := s.router().invoke(wire.Invoke{EnvironmentID: "nobody", RequestID: "x"})
		if err != nil || out.Outcome != wire.OutcomeGone {
			t.Errorf("%v %+v", err, out)
		}
	})
	t.Run("unassigned means drained and forgotten", func(t *testing.T) {
		s.assign(a)
		s.wait("b to be forgotten", func() bool { return len(s.report.Environments) == 1 })
		s.assign()
		s.wait("a to be forgotten", func() bool { return len(s.report.Environments) == 0 })
	})
}

// TestQuickAnswers: the router sends the next invocation as soon as it has an answer, when whoever wrote that may not
// have let go of the connection; every other one here is refused at once, by another goroutine.
func TestQuickAnswers(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := goSpec(t, s, 16)
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	var wg sync.WaitGroup
	for c := range 4 {
		r := s.router()
		wg.Go(func() {
			for n := range 500 {
				token := fmt.Sprintf("token-%d-%d", c, n)
				out, err := r.invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "req-" + token, FunctionARN: "arn:f", Body: []byte(`{"token": "` + token + `"}`)})
				if err != nil || out.Outcome != wire.OutcomeOK || !strings.Contains(out.body, `"`+token+`"`) {
					t.Errorf("%s: %v %+v", token, err, out)
					return
				}
				out, err = r.invoke(wire.Invoke{EnvironmentID: "nobody", RequestID: "none-" + token})
				if err != nil || out.Outcome != wire.OutcomeGone || out.body != "" {
					t.Errorf("after %s: %v %+v", token, err, out)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestBusyAndTimeout(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := goSpec(t, s, 2)
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	gone, slow := s.router(), s.router()
	for i, r := range []*router{gone, slow} {
		err := r.send(wire.Invoke{EnvironmentID: e.ID, RequestID: fmt.Sprint("slow", i), Timeout: 500 * time.Millisecond, Body: []byte(`{"sleepMs": 1500}`)})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.wait("two in flight", func() bool { return s.status(e.ID).InFlight == 2 })
	gone.conn.Close() // its slot stays taken
	out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "third"})
	if err != nil || out.Outcome != wire.OutcomeBusy {
		t.Errorf("%v %+v", err, out)
	}
	late, err := slow.receive()
	if err != nil || late.Outcome != wire.OutcomeFunctionError || late.ErrorType != "Sandbox.Timedout" || !strings.Contains(late.body, "Task timed out after 0.50 seconds") {
		t.Errorf("%v %+v", err, late)
	}
	s.wait("all free again", func() bool { return s.status(e.ID).InFlight == 0 })
	s.waitLine(e.ID, `"platform.report"`, `"slow1"`, `"timeout"`)
}

func TestRuntimeExit(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := goSpec(t, s, 4)
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	bystander := s.router()
	if err := bystander.send(wire.Invoke{EnvironmentID: e.ID, RequestID: "bystander", Timeout: time.Minute, Body: []byte(`{"sleepMs": 20000}`)}); err != nil {
		t.Fatal(err)
	}
	s.wait("one in flight", func() bool { return s.status(e.ID).InFlight == 1 })
	culprit, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "culprit", Body: []byte(`{"exit": 3}`)})
	other, err2 := bystander.receive()
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, out := range []reply{culprit, other} {
		if out.Outcome != wire.OutcomeFunctionError || out.ErrorType != "Runtime.ExitError" || !strings.Contains(out.body, "Runtime exited with error: exit status 3") {
			t.Errorf("%+v", out)
		}
	}
	st := s.waitState(e.ID, wire.EnvironmentEnded)
	if st.ErrorType != "Runtime.ExitError" || st.ReadyAt.IsZero() {
		t.Errorf("%+v", st)
	}
	s.assign(e) // still assigned: still reported, not started again
	s.wait("a further report", func() bool { return s.report.Generation == s.gen })
	s.waitState(e.ID, wire.EnvironmentEnded)
}

func TestFailingStarts(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	for _, c := range []struct {
		name, code, errorType, text string
		spec                        func() wire.EnvironmentSpec
	}{
		{"import error", "FunctionError.RuntimeInitError", "Runtime.ImportModuleError", "No module named 'nothing'", func() wire.EnvironmentSpec {
			return pythonSpec(t, s, 2, "import nothing\n")
		}},
		{"hung init", "FunctionError.InitTimeout", "Sandbox.Timedout", "1.00 seconds", func() wire.EnvironmentSpec {
			e := pythonSpec(t, s, 2, "import time\ntime.sleep(60)\n")
			e.InitTimeout = time.Second
			return e
		}},
		{"exit in init", "FunctionError.RuntimeInitError", "Runtime.ExitError", "exit status 7", func() wire.EnvironmentSpec {
			return spec(s.add(mustZip(t, map[string]string{"bootstrap": "#!/bin/sh\necho on my way out\nexit 7\n"})), "provided.al2023", 1)
		}},
		{"no bootstrap", "FunctionError.InvalidEntryPoint", "Runtime.InvalidEntrypoint", "bootstrap", func() wire.EnvironmentSpec {
			return spec(s.add(mustZip(t, map[string]string{"x": "y"})), "provided.al2023", 1)
		}},
		{"foreign architecture", "FunctionError.InvalidEntryPoint", "Runtime.InvalidEntrypoint", "is built for", func() wire.EnvironmentSpec {
			e := goSpec(t, s, 1)
			e.Architecture = map[string]string{"x86_64": "arm64", "arm64": "x86_64"}[architecture]
			return e
		}},
		{"missing runtime", "InvalidRuntime", "Runtime.Missing", "python3.99", func() wire.EnvironmentSpec {
			e := goSpec(t, s, 1)
			e.Runtime = "python3.99"
			return e
		}},
		{"no zip", "InvalidZipFileException", "Sandbox.Failure", "unzip", func() wire.EnvironmentSpec {
			return spec(s.add([]byte("no zip")), "provided.al2023", 1)
		}},
		{"no package", "InternalError", "Sandbox.Failure", "no such package", func() wire.EnvironmentSpec {
			return spec(strings.Repeat("0", 64), "provided.al2023", 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := c.spec()
			s.assign(e)
			st := s.waitState(e.ID, wire.EnvironmentEnded)
			if st.ReasonCode != c.code || st.ErrorType != c.errorType || !strings.Contains(st.Reason, c.text) || !st.ReadyAt.IsZero() {
				t.Errorf("%q %q %q", st.ReasonCode, st.ErrorType, st.Reason)
			}
			if c.name == "exit in init" {
				s.waitLine(e.ID, "on my way out")
				s.waitLine(e.ID, "platform.initReport", "Runtime.ExitError")
			}
			out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "x"})
			if err != nil || !out.Outcome.Refused() {
				t.Errorf("%v %+v", err, out)
			}
		})
	}
}

func TestReadoption(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := goSpec(t, s, 4)
	s.assign(e)
	before := s.waitState(e.ID, wire.EnvironmentReady)
	inv := s.router()
	if err := inv.send(wire.Invoke{EnvironmentID: e.ID, RequestID: "through", Timeout: 10 * time.Second, Body: []byte(`{"token": "kept", "sleepMs": 1200}`)}); err != nil {
		t.Fatal(err)
	}
	s.wait("one in flight", func() bool { return s.status(e.ID).InFlight == 1 })
	s.down()
	s.mu.Lock()
	s.hellos, s.report, s.epoch, s.gen = nil, wire.Report{}, 2, 0
	s.mu.Unlock()
	s.up()
	after := s.waitState(e.ID, wire.EnvironmentReady)
	if after.PID != before.PID || !after.StartedAt.Equal(before.StartedAt) {
		t.Errorf("was %+v, is %+v", before, after)
	}
	h := s.hellos[0]
	if len(h.Environments) != 1 || h.Environments[0].Spec == nil || h.Environments[0].Spec.CodeSHA256 != e.CodeSHA256 || h.Token != "secret" {
		t.Errorf("hello %+v", h)
	}
	out, err := inv.receive()
	if err != nil || out.Outcome != wire.OutcomeOK || !strings.Contains(out.body, "kept") {
		t.Errorf("%v %+v", err, out)
	}

	// What an older server or list says no longer counts.
	s.mu.Lock()
	s.epoch, s.specs = 1, nil
	conn, n := s.agent, s.reports
	s.mu.Unlock()
	s.assignTo(conn)
	if _, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "again", Body: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	s.wait("a later report", func() bool { return s.reports > n })
	s.waitState(e.ID, wire.EnvironmentReady)
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*agent.Config, string)
		end    func(s *server, data string)
		err    bool
		within time.Duration
	}{
		{"shutdown", nil, func(s *server, _ string) { s.shutdown(5 * time.Second) }, false, 8 * time.Second},
		{"no server", func(c *agent.Config, _ string) { c.Orphan = time.Second }, func(s *server, _ string) { s.down() }, false, 8 * time.Second},
		{"no data folder", func(c *agent.Config, data string) { c.DataDir = data }, func(_ *server, data string) { os.RemoveAll(data) }, false, 8 * time.Second},
		{"another data folder", func(c *agent.Config, data string) { c.DataDir = data }, func(_ *server, data string) {
			os.Rename(data, data+"-away")
			os.Mkdir(data, 0o700)
		}, false, 8 * time.Second},
		{"refused", nil, func(s *server, _ string) {
			s.mu.Lock()
			s.refuse = "unknown instance"
			s.mu.Unlock()
			s.down()
			s.up()
		}, true, 8 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			data := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
			ended, dir := start(t, s, func(cfg *agent.Config) {
				if c.change != nil {
					c.change(cfg, data)
				}
			})
			e := goSpec(t, s, 2)
			s.assign(e)
			s.waitState(e.ID, wire.EnvironmentReady)
			c.end(s, data)
			select {
			case err := <-ended:
				if (err != nil) != c.err {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(c.within):
				t.Fatal("the agent lives on")
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestShutdownLetsInvocationsFinish(t *testing.T) {
	s := newServer(t)
	ended, _ := start(t, s, nil)
	e := goSpec(t, s, 2)
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	r := s.router()
	if err := r.send(wire.Invoke{EnvironmentID: e.ID, RequestID: "last", Body: []byte(`{"token": "finished", "sleepMs": 700}`)}); err != nil {
		t.Fatal(err)
	}
	s.wait("one in flight", func() bool { return s.status(e.ID).InFlight == 1 })
	s.shutdown(10 * time.Second)
	s.waitState(e.ID, wire.EnvironmentDraining)
	refused, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "too late"})
	if err != nil || refused.Outcome != wire.OutcomeGone {
		t.Errorf("%v %+v", err, refused)
	}
	out, err := r.receive()
	if err != nil || !strings.Contains(out.body, "finished") {
		t.Errorf("%v %+v", err, out)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
