package python_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
	t     *testing.T
	proc  sandbox.Process
	start time.Time

	mu   sync.Mutex
	logs []string
}

type options struct {
	handler string // default "app.handler"
	slots   int    // 0: an ordinary function
	late    runtimeapi.LatePolicy
	env     map[string]string
	text    bool // text logs
}

func run(t *testing.T, code string, o options) *fn {
	t.Helper()
	in, err := runtimes.Find(t.Context(), "python3.13", nil)
	if err != nil {
		t.Skip(err)
	}
	sb, err := driver()
	if err != nil {
		t.Fatal(err)
	}
	spec := sandbox.Spec{ID: "py", Dir: t.TempDir(), TaskDir: folder(t), RuntimeDir: folder(t), LangDir: in.Prefix}
	if err := os.WriteFile(filepath.Join(spec.TaskDir, "app.py"), []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := runtimes.Install("python3.13", spec.RuntimeDir); err != nil {
		t.Fatal(err)
	}
	l, err := sb.Listen(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	f := &fn{t: t, Server: runtimeapi.New(runtimeapi.Config{
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f", Timeout: 10 * time.Second, MaxConcurrency: max(o.slots, 1), Late: o.late,
	})}
	if o.handler == "" {
		o.handler = "app.handler"
	}
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
	argv, extra, err := runtimes.Command("python3.13", in, function, layout)
	if err != nil {
		t.Fatal(err)
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
			t.Logf("%v\n%s", f.proc.Exit(), strings.Join(f.said(), "\n"))
		}
	})
	return f
}

var driver = sync.OnceValues(func() (*plain.Driver, error) { return plain.New(context.Background()) })

func folder(t *testing.T) string {
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
	case <-time.After(30 * time.Second):
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

func parse(t *testing.T, body []byte) failure {
	t.Helper()
	var e failure
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	return e
}

func TestSlotsOverlapInProcessesOfTheirOwn(t *testing.T) {
	const slots = 16
	f := run(t, `
import os, time
count = 0
def handler(event, context):
    global count
    count += 1
    time.sleep(0.3)
    return [event["token"], os.getpid(), count, context.aws_request_id]
`, options{slots: slots}).ready().idle(slots)
	t.Logf("%d workers poll after %v", slots, time.Since(f.start))
	begin := time.Now()
	var wg sync.WaitGroup
	pids := make([]string, slots)
	for i := range slots {
		wg.Go(func() {
			token := fmt.Sprintf("token-%d", i)
			var got []any
			res := f.invoke(`{"token":"` + token + `"}`)
			if json.Unmarshal(res.Body, &got); len(got) != 4 || got[0] != token || got[2] != 1.0 {
				t.Errorf("%s: %s", token, res.Body)
				return
			}
			pids[i] = fmt.Sprint(got[1])
		})
	}
	wg.Wait()
	if d := time.Since(begin); d > 1200*time.Millisecond {
		t.Errorf("%d calls of 300 ms took %v", slots, d)
	}
	if slices.Sort(pids); len(slices.Compact(pids)) != slots {
		t.Errorf("processes: %q", pids)
	}
}

func TestOrdinaryFunction(t *testing.T) {
	f := run(t, `
import os
n = 0
def handler(event, context):
    global n
    n += 1
    return {"n": n, "max": os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY"), "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
`, options{}).ready()
	for i := 1; i <= 3; i++ {
		f.want(`{}`, fmt.Sprintf(`{"n": %d, "max": null, "kind": "on-demand"}`, i))
	}
}

func TestContext(t *testing.T) {
	f := run(t, `
import os
def handler(event, context):
    c, i = context.client_context, context.identity
    return {
        "names": [context.function_name, context.function_version, context.memory_limit_in_mb, context.log_group_name, context.log_stream_name],
        "arn": context.invoked_function_arn, "tenant": context.tenant_id,
        "client": c and [c.custom, c.env, c.client.app_title, c.client.installation_id],
        "identity": [i.cognito_identity_id, i.cognito_identity_pool_id],
        "left": 8000 < context.get_remaining_time_in_millis() <= 10000,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "id": context.aws_request_id,
    }
`, options{slots: 1}).ready()
	names := `"names": ["f", "1", "2048", "/aws/lambda/f", "stream"]`
	f.want(`{}`, `{`+names+`, "arn": "arn:x:1", "tenant": "t1", "client": [{"a": "ä"}, {"b": 1}, "app", null], "identity": ["i", "p"], "left": true, "trace": "Root=1-2", "id": "full"}`,
		func(inv *runtimeapi.Invocation) {
			inv.RequestID, inv.FunctionARN, inv.TenantID, inv.TraceID = "full", "arn:x:1", "t1", "Root=1-2"
			inv.ClientContext = `{"custom":{"a":"ä"},"env":{"b":1},"client":{"app_title":"app"}}`
			inv.CognitoIdentity = `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`
		})
	f.want(`{}`, `{`+names+`, "arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "tenant": null, "client": null, "identity": [null, null], "left": true, "trace": null, "id": "bare"}`,
		func(inv *runtimeapi.Invocation) { inv.RequestID = "bare" })
	res := f.invoke(`{}`, func(inv *runtimeapi.Invocation) { inv.ClientContext = "{" })
	if e := parse(t, res.Body); e.ErrorType != "Runtime.LambdaContextUnmarshalError" {
		t.Errorf("%s", res.Body)
	}
}

func TestResults(t *testing.T) {
	f := run(t, `
import decimal, datetime
def handler(event, context):
    return eval(event)
`, options{slots: 1}).ready()
	for event, want := range map[string]string{
		`None`: `null`, `"ü"`: `"ü"`, `[1, 2.5, True]`: `[1, 2.5, true]`, `decimal.Decimal("1.5")`: `1.5`, `float("nan")`: `NaN`,
		`{"a": {"b": []}}`: `{"a": {"b": []}}`,
	} {
		f.want(quote(event), want)
	}
	if res := f.invoke(quote(`b"\x00\xff"`)); string(res.Body) != "\x00\xff" || res.ContentType != "application/unknown" {
		t.Errorf("bytes: %q %s", res.Body, res.ContentType)
	}
	if res := f.invoke(quote(`1`)); res.ContentType != "application/json" {
		t.Errorf("content type %s", res.ContentType)
	}
	res := f.invoke(quote(`datetime.datetime.now()`))
	if e := parse(t, res.Body); res.Status != runtimeapi.StatusFunctionError || e.ErrorType != "Runtime.MarshalError" ||
		e.ErrorMessage != "Unable to marshal response: Object of type datetime is not JSON serializable" {
		t.Errorf("%s", res.Body)
	}
	res = f.invoke(`{`)
	if e := parse(t, res.Body); e.ErrorType != "Runtime.UnmarshalError" || !strings.HasPrefix(e.ErrorMessage, "Unable to unmarshal input: ") {
		t.Errorf("%s", res.Body)
	}
	f.want(`"2+2"`, `4`, func(inv *runtimeapi.Invocation) { inv.ContentType = "application/json" })
	f.want(`3*3`, `9`, func(inv *runtimeapi.Invocation) { inv.ContentType = "text/plain" }) // eval takes the raw bytes
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestBodies(t *testing.T) {
	f := run(t, `
def handler(event, context):
    if isinstance(event, int):
        return "x" * event
    return len(event)
`, options{slots: 1}).ready()
	f.want(`"`+strings.Repeat("y", 6<<20)+`"`, strconv.Itoa(6<<20))
	if res := f.invoke(`6000000`); len(res.Body) != 6000002 {
		t.Errorf("%d bytes", len(res.Body))
	}
	if res := f.invoke(`7000000`); res.ErrorType != "Function.ResponseSizeTooLarge" {
		t.Errorf("%s: %.200s", res.ErrorType, res.Body)
	}
	f.want(`"after"`, `5`)
}

func TestHandlerError(t *testing.T) {
	f := run(t, `
def handler(event, context):
    deeper(event)
def deeper(event):
    raise ValueError("bad: " + event)
`, options{slots: 2}).ready()
	res := f.invoke(`"x"`, func(inv *runtimeapi.Invocation) { inv.RequestID = "err-1" })
	e := parse(t, res.Body)
	if res.Status != runtimeapi.StatusFunctionError || res.ErrorType != "Runtime.Unknown" || e.ErrorType != "ValueError" || e.ErrorMessage != "bad: x" || e.RequestID != "err-1" {
		t.Errorf("%+v %s", res.ErrorType, res.Body)
	}
	if len(e.StackTrace) != 2 || !strings.Contains(e.StackTrace[0], `app.py", line 3, in handler`) || !strings.Contains(e.StackTrace[1], "raise ValueError") {
		t.Errorf("stack trace %q", e.StackTrace)
	}
	f.log(`"log_level": "ERROR"`, `"errorType": "ValueError"`, `"requestId": "err-1"`)
}

func TestInitErrors(t *testing.T) {
	for _, tt := range []struct {
		name, code, handler, kind, message string
	}{
		{"import", "import nothing_there", "", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_there'"},
		{"no module", "", "other.handler", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"},
		{"syntax", "def (", "", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "},
		{"no handler", "x = 1", "", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"},
		{"bad name", "", "app", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)"},
		{"builtin", "", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"},
		{"raises", "raise KeyError('k')", "", "KeyError", "'k'"},
	} {
		for _, slots := range []int{0, 4} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, slots), func(t *testing.T) {
				f := run(t, tt.code, options{slots: slots, handler: tt.handler})
				select {
				case <-f.InitFailed():
				case <-time.After(20 * time.Second):
					t.Fatal("no init error")
				}
				ie := f.InitError()
				e := parse(t, ie.Body)
				if e.ErrorType != tt.kind || !strings.HasPrefix(e.ErrorMessage, tt.message) {
					t.Errorf("%s", ie.Body)
				}
				if strings.HasPrefix(tt.kind, "Runtime.") && ie.Type != tt.kind {
					t.Errorf("type %s", ie.Type)
				}
				select {
				case <-f.proc.Done():
				case <-time.After(20 * time.Second):
					t.Fatal("the first process did not end")
				}
				if exit := f.proc.Exit(); exit.Code != 1 {
					t.Errorf("%v", exit)
				}
			})
		}
	}
}

func TestExitDuringInit(t *testing.T) {
	f := run(t, "import os; os._exit(3)", options{slots: 4})
	<-f.proc.Done()
	if exit := f.proc.Exit(); exit.Code == 0 {
		t.Errorf("%v", exit)
	}
}

func TestDeadWorkerIsReportedAndReplaced(t *testing.T) {
	f := run(t, `
import os, signal, sys, time
def handler(event, context):
    if event == "exit": os._exit(7)
    if event == "sys.exit": sys.exit(8)
    if event == "kill": os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()
`, options{slots: 3}).ready().idle(3)
	for event, how := range map[string]string{"exit": "exit status 7", "sys.exit": "exit status 8", "kill": "signal: killed"} {
		id := "dead-" + how
		id = strings.NewReplacer(" ", "-", ":", "").Replace(id)
		begin := time.Now()
		res := f.invoke(quote(event), func(inv *runtimeapi.Invocation) { inv.RequestID = id })
		want := fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", id, how)
		if e := parse(t, res.Body); res.ErrorType != "Runtime.ExitError" || e.ErrorMessage != want || e.ErrorType != "Runtime.ExitError" {
			t.Errorf("%s: %s %s", event, res.ErrorType, res.Body)
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("%s: reported after %v", event, d)
		}
		f.idle(3)
	}
	for range 9 {
		if res := f.invoke(`""`); res.Status != runtimeapi.StatusOK {
			t.Errorf("%s", res.Body)
		}
	}
}

func TestTimeoutLeavesOthersAlone(t *testing.T) {
	f := run(t, `
import time
def handler(event, context):
    time.sleep(event)
    return "slept"
`, options{slots: 2, late: runtimeapi.LateGone}).ready().idle(2)
	res := f.invoke(`0.6`, func(inv *runtimeapi.Invocation) { inv.Timeout = 100 * time.Millisecond })
	if res.Status != runtimeapi.StatusTimeout {
		t.Errorf("%+v", res)
	}
	f.want(`0`, `"slept"`)
	f.log("InvokeTimeout")
	f.idle(2)
	f.want(`0`, `"slept"`)
}

func TestJSONLogs(t *testing.T) {
	f := run(t, `
import logging, sys
log = logging.getLogger("mine")
log.info("during init")
def handler(event, context):
    log.info("hello %s", "world", extra={"order": 7})
    log.debug("not shown")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("caught")
    print("plain line")
    sys.stderr.write("to stderr\n")
    context.log("by context\n")
    print("y" * 100000)
    print("no", "newline", end="")
`, options{slots: 2}).ready()
	f.invoke(`{}`, func(inv *runtimeapi.Invocation) { inv.RequestID, inv.TenantID = "log-1", "ten" })
	f.log(`"during init"`)
	var line map[string]any
	if err := json.Unmarshal([]byte(f.log(`hello world`)), &line); err != nil {
		t.Fatal(err)
	}
	stamp, _ := line["timestamp"].(string)
	if _, err := time.Parse("2006-01-02T15:04:05Z", stamp); err != nil {
		t.Error(err)
	}
	delete(line, "timestamp")
	want := map[string]any{"level": "INFO", "message": "hello world", "logger": "mine", "requestId": "log-1", "tenantId": "ten", "order": 7.0}
	if fmt.Sprint(line) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", line, want)
	}
	f.log(`"errorType": "ZeroDivisionError"`, `"errorMessage": "division by zero"`, `"stackTrace": [`, `"location": "/var/task/app.py:handler:`)
	for _, whole := range []string{"plain line", "no newline", "to stderr", "by context", strings.Repeat("y", 100000)} {
		f.log(whole)
		if !slices.Contains(f.said(), whole) {
			t.Errorf("%.50q is not a line of its own", whole)
		}
	}
	if slices.ContainsFunc(f.said(), func(s string) bool { return strings.Contains(s, "not shown") }) {
		t.Error("DEBUG shown at level INFO")
	}
}

func TestLongLinesOfWorkersDoNotMix(t *testing.T) {
	const slots = 8
	f := run(t, `
def handler(event, context):
    for i in range(20):
        print(event * 20000)
`, options{slots: slots}).ready().idle(slots)
	var wg sync.WaitGroup
	for i := range slots {
		wg.Go(func() { f.invoke(fmt.Sprintf(`"%c"`, 'a'+i)) })
	}
	wg.Wait()
	for end := time.Now().Add(10 * time.Second); len(f.said()) < slots*20 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	for _, line := range f.said() {
		if line != strings.Repeat(line[:1], 20000) {
			t.Fatalf("mixed line of %d bytes", len(line))
		}
	}
}

func TestTextLogs(t *testing.T) {
	f := run(t, `
import logging
def handler(event, context):
    logging.warning("careful")
    raise ValueError("broke")
`, options{text: true}).ready()
	f.invoke(`{}`, func(inv *runtimeapi.Invocation) { inv.RequestID = "text-1" })
	if line := f.log("careful"); !strings.HasPrefix(line, "[WARNING]\t") || !strings.HasSuffix(line, "Z\ttext-1\tcareful") {
		t.Errorf("%q", line)
	}
	if line := f.log("broke"); !strings.HasPrefix(line, "[ERROR] ValueError: broke\rTraceback (most recent call last):\r  File ") {
		t.Errorf("%q", line)
	}
}

func TestSandboxAsOnAWS(t *testing.T) {
	f := run(t, `
import os, sys, pwd
def handler(event, context):
    return [os.getcwd(), sys.path[0], os.environ["AWS_EXECUTION_ENV"], os.environ["MINE"], pwd.getpwuid(os.getuid()).pw_name, sys.prefix]
`, options{slots: 1, env: map[string]string{"MINE": "1", "_HIDDEN": "x", "AWS_REGION": "other"}}).ready()
	if f.proc.PID() > 0 {
		f.want(`{}`, `["/var/task", "/var/task", "AWS_Lambda_python3.13", "1", "sbx_user1051", "/var/lang"]`)
	}
}

// Imports that need the interpreter's own libraries and the host's.
func TestLibraries(t *testing.T) {
	f := run(t, `
import ssl, sqlite3, ctypes, hashlib, zlib, decimal, asyncio, concurrent.futures, multiprocessing, subprocess, urllib.request, socket
def handler(event, context):
    return [bool(ssl.create_default_context().get_ca_certs()) or True, socket.gethostbyname("localhost"), subprocess.run(["echo", "hi"], capture_output=True).stdout.decode()]
`, options{slots: 2}).ready()
	f.want(`{}`, `[true, "127.0.0.1", "hi\n"]`)
}

func TestSigtermEndsAll(t *testing.T) {
	for _, slots := range []int{0, 4} {
		f := run(t, "def handler(e, c): pass", options{slots: slots}).ready()
		f.proc.Signal(os.Interrupt)
		begin := time.Now()
		f.proc.Signal(syscall.SIGTERM)
		select {
		case <-f.proc.Done():
		case <-time.After(5 * time.Second):
			t.Fatalf("%d slots: alive 5 s after SIGTERM", slots)
		}
		t.Logf("%d slots: ended after %v", slots, time.Since(begin))
	}
}

// 48 workers in three environments: the publish that users wait for.
func TestFastStart(t *testing.T) {
	var fs []*fn
	begin := time.Now()
	for range 3 {
		fs = append(fs, run(t, "def handler(e, c): return e", options{slots: 16}))
	}
	for _, f := range fs {
		f.ready()
	}
	first := time.Since(begin)
	for _, f := range fs {
		f.idle(16)
	}
	t.Logf("3 environments ready after %v, all 48 workers after %v", first, time.Since(begin))
}
