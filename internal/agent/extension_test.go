package agent_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/agent"
	"github.com/lamina-dev/lamina/internal/sandbox/oci"
	"github.com/lamina-dev/lamina/internal/wire"
)

// extensionProgram is a real extension, which behaves as its file's name says.
var extensionProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "extension")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "extension")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "./testextension")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the extension: %w\n%s", err, out)
	}
	data, err := os.ReadFile(bin)
	return string(data), err
})

// extensionLayer is a layer with these extensions; a name may say how the file
// differs: "name!" can't be executed, "name?" is no program.
func extensionLayer(t *testing.T, s *server, names ...string) string {
	t.Helper()
	program, err := extensionProgram()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		mode, text := fs.FileMode(0o755), program
		if strings.HasSuffix(name, "!") {
			mode = 0o644
		}
		if strings.HasSuffix(name, "?") {
			text = "\x00no program"
		}
		h := &zip.FileHeader{Name: "extensions/" + strings.TrimRight(name, "!?"), Method: zip.Store}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return s.add(b.Bytes())
}

const extendedApp = `
import os, sys, time
print("function init")
def handler(event, context):
    print("handled", event.get("token"))
    if "crash" in event:
        open("/tmp/crash", "w").close()
    time.sleep(event.get("sleep", 0))
    return {"token": event.get("token")}
`

// extended is an environment with extensions.
func extended(t *testing.T, s *server, names ...string) wire.EnvironmentSpec {
	e := pythonSpec(t, s, 4, extendedApp)
	e.Layers = []string{extensionLayer(t, s, names...)}
	e.Variables = map[string]string{"EVENTS": "SHUTDOWN", "MINE": "1"}
	return e
}

// linesOf are the lines so far.
func (s *server) linesOf(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines[id])
}

// before tells whether a line with the one comes before one with the other.
func before(lines []string, one, other string) bool {
	at := func(part string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, part) })
	}
	return at(one) >= 0 && at(one) < at(other)
}

// TestExtensions: a layer's extensions start before the function, have their
// variables, log into its stream, hear its telemetry, and are told of the end,
// in every sandbox.
func TestExtensions(t *testing.T) {
	for _, kind := range []oci.Kind{"plain", oci.Runc, oci.Runsc} {
		t.Run(string(kind), func(t *testing.T) {
			s := newServer(t)
			start(t, s, func(cfg *agent.Config) { inContainers(t, cfg, kind) })
			e := extended(t, s, "telemetry", "stubborn", "deaf")
			s.assign(e)
			s.waitState(e.ID, wire.EnvironmentReady)
			out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r-1", FunctionARN: "arn:f", Body: []byte(`{"token": "a"}`)})
			if err != nil || out.body != `{"token": "a"}` {
				t.Errorf("%v %+v", err, out)
			}
			s.waitLine(e.ID, "telemetry: telemetry platform.report", `"requestId":"r-1","status":"success"`, `"name":"responseLatency"`, `"name":"responseDuration"`)
			s.waitLine(e.ID, "telemetry: telemetry platform.initStart", `"initializationType":"lambda-managed-instances"`)
			s.waitLine(e.ID, "telemetry: telemetry platform.initRuntimeDone", `"status":"success"`)
			s.waitLine(e.ID, "telemetry: telemetry platform.telemetrySubscription", `"name":"telemetry","state":"Subscribed","types":["platform","function","extension"]`)
			s.waitLine(e.ID, "telemetry: telemetry platform.extension", `"name":"deaf","state":"Ready","events":[]`)
			s.waitLine(e.ID, "telemetry: telemetry platform.start", "r-1")
			s.waitLine(e.ID, "telemetry: telemetry function", "handled a")
			s.waitLine(e.ID, `"type":"platform.extension"`, `"name":"stubborn","state":"Ready","events":["SHUTDOWN"]`)
			checkVariables(t, s.waitLine(e.ID, "telemetry: variables"))
			begun := time.Now()
			s.assign()
			s.waitLine(e.ID, `telemetry: event {"eventType":"SHUTDOWN"`, `"shutdownReason":"spindown"`)
			s.waitLine(e.ID, "telemetry: ends")
			s.waitLine(e.ID, "stubborn: event")
			s.wait("the environment to be forgotten", func() bool { return s.status(e.ID).ID == "" })
			if took := time.Since(begun); took < 1500*time.Millisecond || took > 20*time.Second {
				t.Errorf("an extension that does not end was killed after %v", took)
			}
			lines := s.linesOf(e.ID)
			for _, name := range []string{"telemetry", "stubborn", "deaf"} {
				if !before(lines, name+": registered", "function init") {
					t.Errorf("%s does not come before the function: %q", name, lines)
				}
			}
			if before(lines, "deaf: event", "deaf: ends") {
				t.Error("deaf was told")
			}
		})
	}
}

// inContainers replaces the plain sandbox.
func inContainers(t *testing.T, cfg *agent.Config, kind oci.Kind) {
	t.Helper()
	if kind == "plain" {
		return
	}
	if _, err := oci.Find(kind); err != nil {
		t.Skip(err)
	}
	if r := oci.Probe(t.Context(), kind, oci.NetworkNone); r.Reason != "" {
		t.Skipf("%s can't run here: %s", kind, r.Reason)
	}
	d, err := oci.New(oci.Config{Kind: kind, Dir: filepath.Join(cfg.Dir, "oci"), Network: oci.NetworkNone})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sandbox = d
}

func checkVariables(t *testing.T, line string) {
	t.Helper()
	for _, name := range []string{"MINE", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "PATH", "TZ"} {
		if !strings.Contains(line+" ", " "+name+" ") {
			t.Errorf("no %s in %q", name, line)
		}
	}
	for _, name := range []string{"AWS_LAMBDA_MAX_CONCURRENCY", "_HANDLER", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_XRAY_DAEMON_ADDRESS"} {
		if strings.Contains(line, " "+name) {
			t.Errorf("%s in %q", name, line)
		}
	}
}

// TestExtensionFaults: what keeps an extension from starting fails the
// environment with AWS's reason.
func TestExtensionFaults(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	var eleven []string
	for i := range 11 {
		eleven = append(eleven, fmt.Sprint("told", i))
	}
	for name, tt := range map[string]struct {
		files                   []string
		code, errorType, reason string
	}{
		"exits":            {[]string{"exit"}, "FunctionError.ExtensionInitError", "Extension.Crash", "Extension exit exited: exit status 3"},
		"can't be run":     {[]string{"told!"}, "FunctionError.PermissionDenied", "PermissionDenied", "fork/exec /opt/extensions/told: permission denied"},
		"no program":       {[]string{"told?"}, "FunctionError.ExtensionInitError", "Extension.LaunchError", "fork/exec /opt/extensions/told: exec format error"},
		"too many":         {eleven, "FunctionError.TooManyExtensions", "Extension.TooManyExtensions", "11 files"},
		"reports":          {[]string{"failing"}, "FunctionError.ExtensionInitError", "Extension.NoKey", "no key"},
		"does not show up": {[]string{"told", "mute"}, "FunctionError.InitTimeout", "Sandbox.Timedout", "within 2.00 seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			e := extended(t, s, tt.files...)
			if tt.errorType == "Sandbox.Timedout" {
				e.InitTimeout = 2 * time.Second
			}
			s.assign(e)
			st := s.waitState(e.ID, wire.EnvironmentEnded)
			if st.ReasonCode != tt.code || st.ErrorType != tt.errorType || !strings.Contains(st.Reason, tt.reason) {
				t.Errorf("%+v", st)
			}
			s.waitLine(e.ID, "platform.initReport", tt.errorType)
			if lines := s.linesOf(e.ID); slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "function init") }) {
				t.Errorf("the function has started: %q", lines)
			}
		})
	}
}

// TestExtensionCrash: the end of an extension is that of the environment and of
// what runs in it; the others are told why.
func TestExtensionCrash(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := extended(t, s, "crash", "told")
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r", Body: []byte(`{"crash": true, "sleep": 60}`)})
	if err != nil || out.ErrorType != "Extension.Crash" || !strings.Contains(out.body, "RequestId: r Error: Extension crash exited: exit status 3") {
		t.Errorf("%v %+v", err, out)
	}
	st := s.waitState(e.ID, wire.EnvironmentEnded)
	if st.ReasonCode != "Extension.Crash" || st.ErrorType != "Extension.Crash" {
		t.Errorf("%+v", st)
	}
	s.waitLine(e.ID, "told: event", `"shutdownReason":"failure"`)
}

// TestRuntimeExitTellsExtensions: they outlive the runtime.
func TestRuntimeExitTellsExtensions(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := extended(t, s, "told")
	e.CodeSHA256 = s.add(mustZip(t, map[string]string{"app.py": "import os\ndef handler(e, c): os.kill(os.getppid(), 9); os._exit(1)"}))
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	if out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r", Body: []byte(`{}`)}); err != nil || out.ErrorType != "Runtime.ExitError" {
		t.Errorf("%v %+v", err, out)
	}
	s.waitLine(e.ID, "told: event", `"shutdownReason":"failure"`)
	s.waitLine(e.ID, "told: ends")
	s.waitState(e.ID, wire.EnvironmentEnded)
}

// TestFailureIsToldBeforeExtensionsEnd: who replaces the environment need not wait
// for them.
func TestFailureIsToldBeforeExtensionsEnd(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := extended(t, s, "stubborn")
	e.CodeSHA256 = s.add(mustZip(t, map[string]string{"app.py": "import os\ndef handler(e, c): os.kill(os.getppid(), 9); os._exit(1)"}))
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	if out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r", Body: []byte(`{}`)}); err != nil || out.ErrorType != "Runtime.ExitError" {
		t.Errorf("%v %+v", err, out)
	}
	if st := s.waitState(e.ID, wire.EnvironmentDraining); st.ReasonCode != "Runtime.ExitError" || st.Reason == "" {
		t.Errorf("%+v", st)
	}
	s.waitState(e.ID, wire.EnvironmentEnded)
}

// ordinaryExtended runs an ordinary function with an extension that takes 300 ms for each invocation.
func ordinaryExtended(t *testing.T, s *server) wire.EnvironmentSpec {
	t.Helper()
	e := extended(t, s, "slow")
	e.Slots, e.Managed, e.LogFormat, e.SysLogLevel, e.Timeout = 1, false, "Text", "", 3*time.Second
	e.Variables["EVENTS"] = "INVOKE,SHUTDOWN"
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	return e
}

// TestInvokeEventsOfOrdinaryFunctions: extensions hear of each invocation, hold
// the environment while they work, and a timeout is the reason they are told.
func TestInvokeEventsOfOrdinaryFunctions(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := ordinaryExtended(t, s)
	s.waitLine(e.ID, "EXTENSION\tName: slow\tState: Ready\tEvents: [INVOKE, SHUTDOWN]")
	r := s.router()
	out, err := r.invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r1", FunctionARN: "arn:f", Timeout: e.Timeout, Body: []byte(`{"token": "a"}`)})
	if err != nil || out.body != `{"token": "a"}` {
		t.Fatalf("%v %+v", err, out)
	}
	out, err = r.invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r2", Timeout: e.Timeout, Body: []byte(`{"token": "b"}`)})
	if err != nil || out.Outcome != wire.OutcomeBusy && out.Outcome != wire.OutcomeOK { // on a slow machine the extension may be quicker than the test
		t.Errorf("%v %+v", err, out)
	}
	s.waitLine(e.ID, `slow: event {"eventType":"INVOKE"`, `"requestId":"r1","invokedFunctionArn":"arn:f"`)
	s.reportedAfter(t, e.ID, "r1", 150)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err = r.invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r3", Timeout: e.Timeout, Body: []byte(`{"sleep": 60}`)})
		if out.Outcome != wire.OutcomeBusy || time.Now().After(end) {
			break
		}
	}
	if err != nil || out.ErrorType != "Sandbox.Timedout" {
		t.Errorf("%v %+v", err, out)
	}
	if !before(s.linesOf(e.ID), "REPORT RequestId: r1", "START RequestId: r3") {
		t.Errorf("%q", s.linesOf(e.ID))
	}
	s.waitLine(e.ID, "slow: event", `"shutdownReason":"timeout"`)
	s.waitState(e.ID, wire.EnvironmentEnded)
}

// reportedAfter waits for an invocation's report, whose time is at least so many ms: less than the 300 that the extension takes,
// since it has its event before the worker has its own.
func (s *server) reportedAfter(t *testing.T, id, request string, ms float64) {
	t.Helper()
	line := s.waitLine(id, "REPORT RequestId: "+request)
	var took float64
	if _, err := fmt.Sscanf(line, "REPORT RequestId: "+request+"\tDuration: %f ms", &took); err != nil || took < ms {
		t.Errorf("%q: %v", line, err)
	}
}

// TestVerdictBeforeExtensionsEnd: who waits for an ordinary function that can't
// start does not wait for its extensions to end as well.
func TestVerdictBeforeExtensionsEnd(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := extended(t, s, "failing")
	e.Slots, e.Managed, e.LogFormat, e.SysLogLevel, e.Timeout = 1, false, "Text", "", 3*time.Second
	s.assign(e)
	st := s.waitState(e.ID, wire.EnvironmentReady)
	out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r", Body: []byte(`{}`)})
	if err != nil || out.ErrorType != "Extension.NoKey" || !strings.Contains(out.body, "RequestId: r Error: no key") {
		t.Errorf("%v %+v", err, out)
	}
	if err := syscall.Kill(st.PID, 0); err != nil {
		t.Errorf("nothing of the environment is left: %v", err)
	}
	if st := s.waitState(e.ID, wire.EnvironmentEnded); !st.Told || st.ErrorType != "Extension.NoKey" {
		t.Errorf("%+v", st)
	}
}

// TestTailWaitsForTheReport: who wants the log's end has the report in it, so the
// answer comes when extensions are done.
func TestTailWaitsForTheReport(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := ordinaryExtended(t, s)
	out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r1", Timeout: e.Timeout, Tail: true, Body: []byte(`{}`)})
	if err != nil || out.Outcome != wire.OutcomeOK || !strings.Contains(out.LogTail, "\nREPORT RequestId: r1\tDuration: ") {
		t.Errorf("%v %+v", err, out)
	}
	s.reportedAfter(t, e.ID, "r1", 150)
}

// TestPoint25_HungInit: a real init that hangs ends after its real 130 s.
func TestPoint25_HungInit(t *testing.T) {
	if os.Getenv("LAMINA_TEST_SLOW") == "" {
		t.Skip("slow: LAMINA_TEST_SLOW is not set")
	}
	s := newServer(t)
	start(t, s, nil)
	e := pythonSpec(t, s, 1, "import time\ntime.sleep(3600)")
	e.InitTimeout = lamina.FunctionConfig{TimeoutSec: 3, Capacity: &lamina.FunctionCapacity{}}.InitTimeout()
	begun := time.Now()
	s.assign(e)
	for time.Since(begun) < 4*time.Minute {
		s.mu.Lock()
		st := s.status(e.ID)
		s.mu.Unlock()
		if st.State == wire.EnvironmentEnded {
			if took := time.Since(begun); took < 130*time.Second || took > 170*time.Second || st.ReasonCode != "FunctionError.InitTimeout" || st.ErrorType != "Sandbox.Timedout" {
				t.Errorf("after %v: %+v", took, st)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("still not ended")
}

const socketApp = `
import os, socket
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.environ["_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"])
    return s
mine = connect()
def handler(event, context):
    token = event["token"]
    if event.get("flood"):
        many = [connect() for i in range(200)]
        return {"token": token}
    for i in range(5): # all of it stays below what an environment may write at once
        line = f"{token} {i} " + "x" * 70_000 + " end\n"
        mine.sendall(line.encode()[:1000])
        mine.sendall(line.encode()[1000:])
    print("stdout of", token, flush=True)
    other = connect()
    other.sendall(f"cut off {token}".encode())
    other.close()
    return {"token": token}
`

// TestPoint31_WorkerLogSocket: each worker's lines are whole, however long they
// are and however many write, in every sandbox; more connections than are of use
// are closed.
func TestPoint31_WorkerLogSocket(t *testing.T) {
	for _, kind := range []oci.Kind{"plain", oci.Runc, oci.Runsc} {
		t.Run(string(kind), func(t *testing.T) {
			s := newServer(t)
			start(t, s, func(cfg *agent.Config) { inContainers(t, cfg, kind) })
			e := pythonSpec(t, s, 4, socketApp)
			s.assign(e)
			s.waitState(e.ID, wire.EnvironmentReady)
			overlap(t, s, e.ID, 4, func(token string) string { return `{"token": "` + token + `"}` })
			for i := range 4 {
				s.waitLine(e.ID, fmt.Sprintf("stdout of token-%d", i))
				s.waitLine(e.ID, fmt.Sprintf("cut off token-%d", i))
				for j := range 5 {
					prefix := fmt.Sprintf("token-%d %d ", i, j)
					if got := s.waitLine(e.ID, prefix); got != prefix+strings.Repeat("x", 70_000)+" end" {
						t.Errorf("%s: %d bytes", prefix, len(got))
					}
				}
			}
			overlap(t, s, e.ID, 2, func(token string) string { return `{"flood": true, "token": "` + token + `"}` })
			// The flood's connections are closed, which the agent may not have seen yet.
			for try, heard := 0, 0; heard < 2; try++ {
				if try == 50 {
					t.Fatalf("no line of a connection after the flood: %v", s.linesOf(e.ID))
				}
				overlap(t, s, e.ID, 4, func(token string) string { return `{"token": "` + token + `"}` })
				s.waitLine(e.ID, "stdout of token-0")
				heard = 0
				for _, l := range s.linesOf(e.ID) {
					if l == "cut off token-0" {
						heard++
					}
				}
			}
		})
	}
}
