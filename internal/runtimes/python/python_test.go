package python_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

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
`, options{Slots: slots}).WaitReady().WaitIdle(slots)
	t.Logf("%d workers poll after %v", slots, time.Since(f.Started))
	var wg sync.WaitGroup
	pids := make([]string, slots)
	for i := range slots {
		wg.Go(func() {
			token := fmt.Sprintf("token-%d", i)
			var got []any
			res := f.Call(`{"token":"` + token + `"}`)
			if json.Unmarshal(res.Body, &got); len(got) != 4 || got[0] != token || got[2] != 1.0 {
				t.Errorf("%s: %s", token, res.Body)
				return
			}
			pids[i] = fmt.Sprint(got[1])
		})
	}
	wg.Wait()
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
`, options{}).WaitReady()
	for i := 1; i <= 3; i++ {
		f.Want(`{}`, fmt.Sprintf(`{"n": %d, "max": null, "kind": "on-demand"}`, i))
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
`, options{Slots: 1}).WaitReady()
	names := `"names": ["f", "1", "2048", "/aws/lambda/f", "stream"]`
	f.Want(`{}`, `{`+names+`, "arn": "arn:x:1", "tenant": "t1", "client": [{"a": "ä"}, {"b": 1}, "app", null], "identity": ["i", "p"], "left": true, "trace": "Root=1-2", "id": "full"}`,
		func(inv *runtimeapi.Invocation) {
			inv.RequestID, inv.FunctionARN, inv.TenantID, inv.TraceID = "full", "arn:x:1", "t1", "Root=1-2"
			inv.ClientContext = `{"custom":{"a":"ä"},"env":{"b":1},"client":{"app_title":"app"}}`
			inv.CognitoIdentity = `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`
		})
	f.Want(`{}`, `{`+names+`, "arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "tenant": null, "client": null, "identity": [null, null], "left": true, "trace": null, "id": "bare"}`,
		runtimestest.ID("bare"))
	res := f.Call(`{}`, func(inv *runtimeapi.Invocation) { inv.ClientContext = "{" })
	if e := runtimestest.Parse(t, res.Body); e.ErrorType != "Runtime.LambdaContextUnmarshalError" || !strings.HasPrefix(e.ErrorMessage, "Unable to parse Client Context JSON: ") {
		t.Errorf("%s", res.Body)
	}
}

func TestResults(t *testing.T) {
	f := run(t, `
import asyncio, decimal, datetime
def handler(event, context):
    return eval(event)
`, options{Slots: 1}).WaitReady()
	for event, want := range map[string]string{
		`None`: `null`, `"ü"`: `"ü"`, `[1, 2.5, True]`: `[1, 2.5, true]`, `decimal.Decimal("0.12345678901234567890")`: `0.12345678901234567890`, `[decimal.Decimal(1), "x", decimal.Decimal("NaN")]`: `[1, "x", NaN]`, `float("nan")`: `NaN`,
		`{"a": {"b": []}}`: `{"a": {"b": []}}`,
	} {
		f.Want(runtimestest.Quote(event), want)
	}
	if res := f.Call(runtimestest.Quote(`b"\x00\xff"`)); string(res.Body) != "\x00\xff" || res.ContentType != "application/unknown" {
		t.Errorf("bytes: %q %s", res.Body, res.ContentType)
	}
	if res := f.Call(runtimestest.Quote(`1`)); res.ContentType != "application/json" {
		t.Errorf("content type %s", res.ContentType)
	}
	res := f.Call(runtimestest.Quote(`datetime.datetime.now()`))
	if e := runtimestest.Parse(t, res.Body); res.Status != runtimeapi.StatusFunctionError || e.ErrorType != "Runtime.MarshalError" ||
		e.ErrorMessage != "Unable to marshal response: Object of type datetime is not JSON serializable" {
		t.Errorf("%s", res.Body)
	}
	for _, kind := range []string{"generator", "coroutine", "set"} {
		res = f.Call(runtimestest.Quote(map[string]string{"generator": "(x for x in [])", "coroutine": "asyncio.sleep(0)", "set": "{1}"}[kind]))
		if e := runtimestest.Parse(t, res.Body); e.ErrorType != "Runtime.MarshalError" || e.ErrorMessage != "Unable to marshal response: Object of type "+kind+" is not JSON serializable" {
			t.Errorf("%s", res.Body)
		}
	}
	res = f.Call(`{`)
	if e := runtimestest.Parse(t, res.Body); e.ErrorType != "Runtime.UnmarshalError" || !strings.HasPrefix(e.ErrorMessage, "Unable to unmarshal input: ") {
		t.Errorf("%s", res.Body)
	}
	f.Want(`"2+2"`, `4`, func(inv *runtimeapi.Invocation) { inv.ContentType = "application/json" })
	f.Want(`3*3`, `9`, func(inv *runtimeapi.Invocation) { inv.ContentType = "text/plain" }) // eval takes the raw bytes
}

// Named tuples and what else has _asdict() are objects, and bytes are texts, as simplejson has them.
func TestObjectsInResults(t *testing.T) {
	f := run(t, `
import collections, decimal, enum, typing, urllib.parse
class P(typing.NamedTuple):
    a: object
    b: object = 2
class Set(P):
    def _asdict(self): return {"size": len(self.a)}
class Empty(typing.NamedTuple): pass
class Own:
    def __init__(self, **fields): self.fields = fields
    def _asdict(self): return self.fields
class Odd:
    def _asdict(self): return 1
class Broken:
    def _asdict(self): raise KeyError("gone")
class Colour(str, enum.Enum): RED = "red"
class Plain(tuple): pass
def deep(value, n):
    for _ in range(n): value = [value]
    return value
def handler(event, context):
    return eval(event)
`, options{Slots: 1}).WaitReady()
	for event, want := range map[string]string{
		`P(1)`: `{"a": 1, "b": 2}`, `[P(1), (1, 2)]`: `[{"a": 1, "b": 2}, [1, 2]]`, `{"p": {"q": [P(P(1), [P(3)])]}}`: `{"p": {"q": [{"a": {"a": 1, "b": 2}, "b": [{"a": 3, "b": 2}]}]}}`,
		`Empty()`: `{}`, `Plain([1, P(2)])`: `[1, {"a": 2, "b": 2}]`, `Plain([1])`: `[1]`, `deep(P(1), 50)[0][0][0]`: strings.Repeat("[", 47) + `{"a": 1, "b": 2}` + strings.Repeat("]", 47),
		`urllib.parse.urlsplit("x://y/z")`:    `{"scheme": "x", "netloc": "y", "path": "/z", "query": "", "fragment": ""}`,
		`collections.OrderedDict(x=[P("[")])`: `{"x": [{"a": "[", "b": 2}]}`, `[Colour.RED, collections.OrderedDict(x=(1, 2))]`: `["red", {"x": [1, 2]}]`,
		`[P(decimal.Decimal("0.10")), decimal.Decimal("0.20")]`: `[{"a": 0.10, "b": 2}, 0.20]`, `[Set({1, 2})]`: `[{"size": 2}]`,
		`Own(x=1)`: `{"x": 1}`, `[Own(x=Own(y=P(1)), z=decimal.Decimal("1.0"))]`: `[{"x": {"y": {"a": 1, "b": 2}}, "z": 1.0}]`,
		`{"a": b"abc"}`: `{"a": "abc"}`, `[b"\xc3\xbc", P(b"")]`: `["ü", {"a": "", "b": 2}]`, `{b"k": [1], "o": Own(**{"x": b"y"})}`: `{"k": [1], "o": {"x": "y"}}`,
	} {
		f.Want(runtimestest.Quote(event), want)
	}
	for event, want := range map[string]string{
		`{"a": b"\xff"}`: "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte", `[P({1})]`: "Object of type set is not JSON serializable",
		`Odd()`: "_asdict() must return a dict, not int", `[Broken()]`: "'gone'", `{(1, 2): 3}`: "keys must be str, int, float, bool or None, not tuple",
		`bytearray(b"x")`: "Object of type bytearray is not JSON serializable", `(lambda x: x.append(x) or x)([])`: "Circular reference detected",
	} {
		e := runtimestest.Parse(t, f.Call(runtimestest.Quote(event)).Body)
		if e.ErrorType != "Runtime.MarshalError" || e.ErrorMessage != "Unable to marshal response: "+want {
			t.Errorf("%s: %+v", event, e)
		}
	}
	f.Want(`"[1, P(2)]"`, `[1, {"a": 2, "b": 2}]`) // the errors have left nothing behind
}

func TestBodies(t *testing.T) {
	f := run(t, `
def handler(event, context):
    if isinstance(event, int):
        return "x" * event
    return len(event)
`, options{Slots: 1}).WaitReady()
	f.Want(`"`+strings.Repeat("y", 6<<20)+`"`, strconv.Itoa(6<<20))
	if res := f.Call(`6000000`); len(res.Body) != 6000002 {
		t.Errorf("%d bytes", len(res.Body))
	}
	if res := f.Call(`7000000`); res.ErrorType != "Function.ResponseSizeTooLarge" {
		t.Errorf("%s: %.200s", res.ErrorType, res.Body)
	}
	f.Want(`"after"`, `5`)
}

func TestHandlerError(t *testing.T) {
	f := run(t, `
def handler(event, context):
    deeper(event)
def deeper(event):
    raise ValueError("bad: " + event)
`, options{Slots: 2}).WaitReady()
	res := f.Call(`"x"`, runtimestest.ID("err-1"))
	e := runtimestest.Parse(t, res.Body)
	if res.Status != runtimeapi.StatusFunctionError || res.ErrorType != "Runtime.Unknown" || e.ErrorType != "ValueError" || e.ErrorMessage != "bad: x" || e.RequestID != "err-1" {
		t.Errorf("%+v %s", res.ErrorType, res.Body)
	}
	if len(e.StackTrace) != 2 || !strings.Contains(e.StackTrace[0], `app.py", line 3, in handler`) || !strings.Contains(e.StackTrace[1], "raise ValueError") {
		t.Errorf("stack trace %q", e.StackTrace)
	}
	f.WaitLog(`"log_level": "ERROR"`, `"errorType": "ValueError"`, `"requestId": "err-1"`)
	f.WantNoLog("LAMBDA_WARNING") // only of a failed init
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
		{"no folder", "", "src/app.handler", "Runtime.ImportModuleError", "Unable to import module 'src/app': No module named 'src'"},
		{"builtin", "", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"},
		{"raises", "raise KeyError('k')", "", "KeyError", "'k'"},
	} {
		for _, slots := range []int{0, 4} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, slots), func(t *testing.T) {
				f := run(t, tt.code, options{Slots: slots, Handler: tt.handler})
				if e := f.WantInitError(tt.kind); !strings.HasPrefix(e.ErrorMessage, tt.message) {
					t.Errorf("%+v", e)
				}
				f.WantExit(1)
			})
		}
	}
}

// The words that AWS logs before the error, as the logging module's line.
func TestWarningOfInit(t *testing.T) {
	const begin, end = "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, ", "/lambda/latest/dg/runtimes-update.html"
	f := run(t, `raise KeyError("k")`, options{Text: true})
	f.WantInitError("KeyError")
	line := f.WaitLog("LAMBDA_WARNING")
	stamp, message, _ := strings.Cut(strings.TrimPrefix(line, "[WARNING]\t"), "\t\t")
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", stamp); err != nil || !strings.HasPrefix(message, begin) || !strings.HasSuffix(message, end+"\r") {
		t.Errorf("%v: %q", err, line)
	}
	if logs := f.Logs(); slices.Index(logs, line) > slices.Index(logs, f.WaitLog("[ERROR] KeyError: 'k'")) {
		t.Errorf("after the error: %q", logs)
	}
	f = run(t, `raise KeyError("k")`, options{Slots: 2})
	f.WantInitError("KeyError")
	f.WaitLog(`"level": "WARNING", "message": "`+begin, end+`\r", "logger": "root", "requestId": ""}`)
	f = run(t, "import logging\nlogging.getLogger().setLevel(logging.ERROR)\nraise KeyError('k')", options{Slots: 2})
	f.WantInitError("KeyError")
	f.WaitLog(`"errorType": "KeyError"`)
	f.WantNoLog("LAMBDA_WARNING")
}

func TestExitDuringInit(t *testing.T) {
	f := run(t, "import os; os._exit(3)", options{Slots: 4})
	if exit := f.WaitExit(); exit.Code == 0 {
		t.Errorf("%v", exit)
	}
}

// What is raised and is no Exception ends the process, in an import as in a handler.
func TestBaseExceptionDuringInit(t *testing.T) {
	for _, slots := range []int{0, 4} {
		f := run(t, "class Stop(BaseException): pass\nraise Stop('enough')", options{Slots: slots})
		f.WantExit(1)
		f.WaitLog(`"errorType": "Stop"`, `"errorMessage": "enough"`)
		select {
		case <-f.InitFailed():
			t.Errorf("%d slots: reported as an init error: %s", slots, f.InitError().Body)
		default:
		}
	}
}

// The text given to sys.exit goes to stderr and makes the exit status 1.
func TestExitWithText(t *testing.T) {
	code := "import sys\ndef handler(event, context): sys.exit(event)"
	f := run(t, code, options{Slots: 2}).WaitReady()
	f.WantCrash(`"bye"`, "bye-1", "exited with error: exit status 1")
	f.WaitLog(`"message": "bye", "requestId": "bye-1"`)
	f.WantCrash(`null`, "bye-2", "exited without providing a reason")
	f.WantNoLog("None")
	f = run(t, "import sys\nsys.exit('not today')", options{})
	f.WantExit(1)
	f.WaitLog("not today")
}

func TestDeadWorkerIsReportedAndReplaced(t *testing.T) {
	f := run(t, `
import ctypes, os, signal, sys, time
def handler(event, context):
    if event == "exit": os._exit(7)
    if event == "end": os._exit(0)
    if event == "sys.exit": sys.exit(8)
    if event == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if event == "segfault": ctypes.string_at(0)
    if event == "slow": time.sleep(1.5)
    return os.getpid()
`, options{Slots: 3}).WaitReady().WaitIdle(3)
	slow := make(chan runtimeapi.Result, 1)
	go func() { slow <- f.Call(`"slow"`) }()
	for event, how := range map[string]string{
		"exit": "exited with error: exit status 7", "sys.exit": "exited with error: exit status 8", "end": "exited without providing a reason",
		"kill": "exited with error: signal: killed", "segfault": "exited with error: signal: segmentation fault",
	} {
		id := "dead-" + event
		res := f.WantCrash(runtimestest.Quote(event), id, how)
		t.Logf("%s: reported after %v", event, res.Duration)
		f.WaitLog(`"errorMessage": "RequestId: ` + id + ` Error: Runtime ` + how + `"`)
	}
	if res := <-slow; res.Status != runtimeapi.StatusOK {
		t.Errorf("another worker's invocation: %s", res.Body)
	}
	f.WaitIdle(3)
	for range 9 {
		if res := f.Call(`""`); res.Status != runtimeapi.StatusOK {
			t.Errorf("%s", res.Body)
		}
	}
}

// What worked once and then never again ends the environment, so that another takes its place.
func TestInitThatFailsAgainAndAgain(t *testing.T) {
	t.Parallel()
	f := run(t, `
import os
if os.path.exists("/tmp/broken"): raise RuntimeError("no more")
def handler(event, context):
    if event == "break":
        open("/tmp/broken", "w").close()
        os._exit(1)
    return "well"
`, options{Slots: 2}).WaitReady().WaitIdle(2)
	f.Call(`"break"`)
	f.Want(`""`, `"well"`)
	f.WaitLog("RuntimeError", "no more")
	f.Want(`""`, `"well"`)
	f.WaitExit()
	f.WaitLog("A worker failed its init 5 times in a row and the environment ends; the last time: RuntimeError: no more")
}

func TestTimeoutLeavesOthersAlone(t *testing.T) {
	f := run(t, `
import time
def handler(event, context):
    time.sleep(event)
    return "slept"
`, options{Slots: 2, Late: runtimeapi.LateGone}).WaitReady().WaitIdle(2)
	res := f.Call(`0.6`, func(inv *runtimeapi.Invocation) { inv.Timeout = 100 * time.Millisecond })
	if res.Status != runtimeapi.StatusTimeout {
		t.Errorf("%+v", res)
	}
	if n := f.Idle(); n != 1 {
		t.Errorf("%d workers are free while one still runs what timed out", n)
	}
	f.Want(`0`, `"slept"`)
	f.WaitLog("InvokeTimeout", "answered 410")
	f.WaitIdle(2)
	f.Want(`0`, `"slept"`)
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
`, options{Slots: 2}).WaitReady()
	f.Call(`{}`, func(inv *runtimeapi.Invocation) { inv.RequestID, inv.TenantID = "log-1", "ten" })
	f.WaitLog(`"during init"`)
	var line map[string]any
	if err := json.Unmarshal([]byte(f.WaitLog(`hello world`)), &line); err != nil {
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
	f.WaitLog(`"errorType": "ZeroDivisionError"`, `"errorMessage": "division by zero"`, `"stackTrace": [`, `"location": "/var/task/app.py:handler:`)
	for _, whole := range []string{"plain line", "no newline", "to stderr", "by context", strings.Repeat("y", 100000)} {
		f.WaitLog(`"level": "INFO", "message": "` + whole + `", "requestId": "log-1", "tenantId": "ten"}`)
	}
	f.WantNoLog("not shown") // DEBUG
}

func TestLongLinesOfWorkersDoNotMix(t *testing.T) {
	const slots = 8
	f := run(t, `
def handler(event, context):
    for i in range(20):
        print(event * 20000)
`, options{Slots: slots}).WaitReady().WaitIdle(slots)
	var wg sync.WaitGroup
	for i := range slots {
		wg.Go(func() { f.Call(fmt.Sprintf(`"%c"`, 'a'+i)) })
	}
	wg.Wait()
	for _, line := range f.WaitLines(slots*20, func(string) bool { return true }) {
		var event struct{ Message string }
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Message != strings.Repeat(event.Message[:1], 20000) {
			t.Fatalf("mixed line of %d bytes: %v", len(line), err)
		}
	}
}

// A worker that dies in the middle of a line spoils none of another's.
func TestDeathInTheMiddleOfALine(t *testing.T) {
	const lines = 30
	f := run(t, `
import os, signal, threading
def handler(event, context):
    if event == "die":
        threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGKILL)).start()
        while True: print("a" * 200000)
    for i in range(event): print("b" * 5000)
`, options{Slots: 3}).WaitReady().WaitIdle(3)
	var wg sync.WaitGroup
	wg.Go(func() { f.Call(`"die"`) })
	wg.Go(func() { f.Want(strconv.Itoa(lines), `null`) })
	wg.Wait()
	f.Want(strconv.Itoa(lines), `null`)
	if line := f.WaitLog("Runtime exited with error: signal: killed"); !json.Valid([]byte(line)) {
		t.Errorf("the next line is not one of its own: %.80q… of %d bytes", line, len(line))
	}
	f.WaitLines(2*lines, func(line string) bool {
		var event struct{ Message string }
		return json.Unmarshal([]byte(line), &event) == nil && event.Message == strings.Repeat("b", 5000)
	})
}

func TestTextLogs(t *testing.T) {
	f := run(t, `
import logging
def handler(event, context):
    logging.warning("careful")
    raise ValueError("broke")
`, options{Text: true}).WaitReady()
	f.Call(`{}`, runtimestest.ID("text-1"))
	if line := f.WaitLog("careful"); !strings.HasPrefix(line, "[WARNING]\t") || !strings.HasSuffix(line, "Z\ttext-1\tcareful") {
		t.Errorf("%q", line)
	}
	if line := f.WaitLog("broke"); !strings.HasPrefix(line, "[ERROR] ValueError: broke\xffTraceback (most recent call last):\xff\u00a0\u00a0File ") {
		t.Errorf("%q", line)
	}
}

// What goes past sys.stdout has the id of the invocation too, and reaches the log whole.
func TestRawOutput(t *testing.T) {
	f := run(t, `
import os, subprocess, sys, threading
print("at import")
os.write(1, b"raw at import\n")
def handler(event, context):
    n = context.aws_request_id
    os.write(1, b"raw of " + n.encode() + b"\n" + b"open of " + n.encode())
    subprocess.run(["echo", "child of", n])
    print("text of", n, file=sys.__stderr__, flush=True)
    print('{"own": "' + n + '"}')
    threading.Thread(target=print, args=("thread of", n)).start()
    sys.stdout.write("z" * 300000)
`, options{Slots: 2}).WaitReady()
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprintf("raw-%02d", i))
		f.Call(`{}`, runtimestest.ID(ids[i]))
	}
	f.WaitLog(`"message": "at import", "requestId": ""}`)
	f.WaitLog(`"message": "raw at import", "requestId": ""}`)
	for _, id := range ids {
		for _, what := range []string{"raw", "text", "thread"} {
			f.WaitLog(`"message": "` + what + ` of ` + id + `", "requestId": "` + id + `"}`)
		}
		f.WaitLog(`"message": "open of ` + id + `child of ` + id + `", "requestId": "` + id + `"}`)
		if want := `{"own": "` + id + `"}`; !slices.Contains(f.Logs(), want) {
			t.Errorf("no line %s", want)
		}
	}
	f.WaitLog(`"`+strings.Repeat("z", 240<<10)+`"`, `"requestId": "raw-19"`)
}

// Neither the gate, nor other workers' pipes, nor a connection of another process.
func TestWorkersInheritNothing(t *testing.T) {
	const slots = 4
	code := `
import os, random, time, threading
def handler(event, context):
    count = len(os.listdir("/proc/self/fd"))
    time.sleep(0.2)
    return [count, threading.active_count(), random.random()]
`
	ask := func(f *fn) (answer [3]float64) {
		res := f.Call(`{}`)
		if err := json.Unmarshal(res.Body, &answer); err != nil {
			t.Errorf("%v %s", err, res.Body)
		}
		return answer
	}
	alone := ask(run(t, code, options{}).WaitReady())
	f := run(t, code, options{Slots: slots}).WaitReady()
	var wg sync.WaitGroup
	answers := make([][3]float64, slots)
	for i := range slots {
		wg.Go(func() { answers[i] = ask(f) })
	}
	wg.Wait()
	drawn := map[float64]bool{}
	for _, a := range answers {
		// What one process has, and: the two ends of the log, the log's lock, the pipe for raw output.
		if a[0] != alone[0]+4 || a[1] != 1 {
			t.Errorf("%v descriptors, alone %v; %v threads", a[0], alone[0], a[1])
		}
		drawn[a[2]] = true
	}
	if len(drawn) != slots {
		t.Errorf("%d workers drew %d different numbers", slots, len(drawn))
	}
}

// The function's own code runs once per worker, and never in the first process.
func TestInitRunsPerProcess(t *testing.T) {
	f := run(t, `
import os, sys
import pack.deep as deep, queue
from pack import (one,
    two)
with open("/tmp/inits", "a") as out: out.write(f"{os.getpid()}\n")
def handler(event, context):
    pids = open("/tmp/inits").read().split()
    loaders = {type(m.__loader__).__module__ for m in (sys.modules[__name__], deep, one, two)}
    return [len(pids), len(set(pids)), str(os.getppid()) in pids, sorted(loaders), queue.MINE, deep.x]
`, options{Slots: 4, Files: map[string]string{
		"pack/__init__.py": "", "pack/one.py": "from . import deep", "pack/two.py": "import pack.one", "pack/deep.py": "x = 5",
		"queue.py": "MINE = True", // in the place of the standard library's
	}}).WaitReady()
	f.Want(`{}`, `[4, 4, false, ["laminaruntime.preload"], true, 5]`)
}

// The environment is ready with all its workers, not with the first: a burst finds them all.
func TestReadyWithAllWorkers(t *testing.T) {
	const slots = 8
	f := run(t, `
import os, time
try:
    os.close(os.open("/tmp/first", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    time.sleep(0.5)
open("/tmp/in-" + str(os.getpid()), "w").close()
def handler(event, context):
    n = len([f for f in os.listdir("/tmp") if f.startswith("in-")])
    time.sleep(0.2)
    return n
`, options{Slots: slots}).WaitReady()
	var wg sync.WaitGroup
	for range slots {
		wg.Go(func() { f.Want(`{}`, strconv.Itoa(slots)) })
	}
	wg.Wait()
}

func TestEveryVersion(t *testing.T) {
	for _, version := range []string{"python3.11", "python3.12", "python3.13", "python3.14"} {
		if _, err := runtimes.Find(t.Context(), version, nil); err != nil && version != "python3.13" {
			t.Log(err)
			continue
		}
		t.Run(version, func(t *testing.T) {
			f := run(t, `
import asyncio, logging, os, sys, decimal
def handler(event, context):
    print("said")
    logging.info("logged")
    if event == "exit": sys.exit(3)
    if event == "raise": raise KeyError("k")
    return ["python%d.%d" % sys.version_info[:2], os.environ["AWS_EXECUTION_ENV"][11:], "ü", decimal.Decimal("0.10")]
`, options{Slots: 3, Runtime: version}).WaitReady().WaitIdle(3)
			umlaut := "ü"
			if version == "python3.11" {
				umlaut = `\u00fc`
			}
			f.Want(`{}`, `["`+version+`", "`+version+`", "`+umlaut+`", 0.10]`)
			for event, kind := range map[string]string{"exit": "Runtime.ExitError", "raise": "KeyError"} {
				if e := runtimestest.Parse(t, f.Call(runtimestest.Quote(event)).Body); e.ErrorType != kind {
					t.Errorf("%s: %+v", event, e)
				}
			}
			f.WaitLog(`"message": "logged", "logger": "root", "requestId": "req-`)
			f.WaitLog(`"message": "said", "requestId": "req-`)
		})
	}
}

func TestSandboxAsOnAWS(t *testing.T) {
	f := run(t, `
import os, sys, pwd
def handler(event, context):
    return [os.getcwd(), sys.path[0], os.environ["AWS_EXECUTION_ENV"], os.environ["MINE"], pwd.getpwuid(os.getuid()).pw_name, sys.prefix]
`, options{Slots: 1, Env: map[string]string{"MINE": "1", "_HIDDEN": "x", "AWS_REGION": "other"}}).WaitReady()
	if f.Process.PID() > 0 {
		f.Want(`{}`, `["/var/task", "/var/task", "AWS_Lambda_python3.13", "1", "sbx_user1051", "/var/lang"]`)
	}
}

// Imports that need the interpreter's own libraries and the host's.
func TestLibraries(t *testing.T) {
	f := run(t, `
import ssl, sqlite3, ctypes, hashlib, zlib, decimal, asyncio, concurrent.futures, multiprocessing, subprocess, urllib.request, socket
def handler(event, context):
    return [bool(ssl.create_default_context().get_ca_certs()) or True, socket.gethostbyname("localhost"), subprocess.run(["echo", "hi"], capture_output=True).stdout.decode()]
`, options{Slots: 2}).WaitReady()
	f.Want(`{}`, `[true, "127.0.0.1", "hi\n"]`)
}

// A dear init is told, with what all workers will need; a cheap one is nobody's concern.
func TestForecastOfWorkers(t *testing.T) {
	code := func(mib int) string {
		return fmt.Sprintf("kept = bytearray(b'x' * (%d << 20))\ndef handler(event, context): return len(kept)\n", mib)
	}
	run(t, code(1), options{Slots: 4}).WaitReady().WaitIdle(4).WantNoLog("workers")
	f := run(t, code(150), options{Slots: 4}).WaitReady().WaitIdle(4)
	if f.Process.PID() <= 0 {
		t.Skip("no sandbox of our own here")
	}
	var own, all, limit int
	line := f.WaitLog(`"level": "INFO"`, "The init of one of 4 workers took ")
	if _, err := fmt.Sscanf(line[strings.Index(line, "CPU time and"):], "CPU time and %d MiB of memory of its own;", &own); err != nil {
		t.Errorf("%v: %s", err, line)
	}
	rest := line[strings.Index(line, "all 4 will take"):]
	if _, err := fmt.Sscanf(rest[strings.Index(rest, " s and "):], " s and %d MiB of the function's %d MiB", &all, &limit); err != nil {
		t.Errorf("%v: %s", err, line)
	}
	if own < 150 || own > 200 || all < 4*own || all > 4*own+100 || limit != 2048 {
		t.Errorf("%s", line)
	}
	run(t, code(150), options{Slots: 4, MemoryMB: 512}).WaitReady().WaitLog(`"level": "WARN"`, "That is more than there is")
}

func TestSigtermEndsAll(t *testing.T) {
	for _, slots := range []int{0, 4} {
		f := run(t, "def handler(e, c): pass", options{Slots: slots}).WaitReady()
		f.Process.Signal(os.Interrupt)
		begin := time.Now()
		f.Process.Signal(syscall.SIGTERM)
		select {
		case <-f.Process.Done():
		case <-time.After(30 * time.Second):
			t.Fatalf("%d slots: alive 30 s after SIGTERM", slots)
		}
		t.Logf("%d slots: ended after %v", slots, time.Since(begin))
	}
}

// 48 workers in three environments: the publish that users wait for.
func TestFastStart(t *testing.T) {
	var fs []*fn
	begin := time.Now()
	for range 3 {
		fs = append(fs, run(t, "def handler(e, c): return e", options{Slots: 16}))
	}
	for _, f := range fs {
		f.WaitReady()
	}
	first := time.Since(begin)
	for _, f := range fs {
		f.WaitIdle(16)
	}
	t.Logf("3 environments ready after %v, all 48 workers after %v", first, time.Since(begin))
}

// TestEndsWithItsAPI: an environment whose Runtime API is gone ends, lest it take the events of whoever listens there next.
func TestEndsWithItsAPI(t *testing.T) {
	f := run(t, `def handler(event, context): return 1`, options{Slots: 3})
	f.WaitIdle(3)
	f.Close()
	f.WaitExit()
}
