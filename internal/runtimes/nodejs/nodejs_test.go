package nodejs_test

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

var managedRuntimes = []string{"nodejs22.x", "nodejs24.x"}

// onBoth runs a test with each runtime that Managed Instances take.
func onBoth(t *testing.T, test func(t *testing.T, runtime string)) {
	for _, runtime := range managedRuntimes {
		t.Run(runtime, func(t *testing.T) { test(t, runtime) })
	}
}

func TestSlotsOverlapInThreads(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		const slots, workers = 64, 8
		f := run(t, `
import { threadId } from "node:worker_threads";
let count = 0;
export const handler = async (event, context) => {
  count++;
  await new Promise((resolve) => setTimeout(resolve, 500));
  return [event.token, threadId, count, context.awsRequestId];
};
`, options{Runtime: runtime, Slots: slots}).WaitReady().WaitIdle(slots)
		t.Logf("%d slots poll after %v", slots, time.Since(f.Started))
		begin := time.Now()
		var wg sync.WaitGroup
		threads := make([]float64, slots)
		for i := range slots {
			wg.Go(func() {
				token, id := fmt.Sprintf("token-%d", i), fmt.Sprintf("id-%d", i)
				var got []any
				res := f.Call(`{"token":"`+token+`"}`, runtimestest.ID(id))
				if json.Unmarshal(res.Body, &got); len(got) != 4 || got[0] != token || got[3] != id {
					t.Errorf("%s: %s", token, res.Body)
					return
				}
				threads[i] = got[1].(float64)
			})
		}
		wg.Wait()
		t.Logf("%d calls of 500 ms took %v", slots, time.Since(begin))
		perThread := map[float64]int{}
		for _, id := range threads {
			perThread[id]++
		}
		if len(perThread) != workers {
			t.Errorf("%d threads answered, want %d", len(perThread), workers)
		}
		for id, n := range perThread {
			if n != slots/workers {
				t.Errorf("thread %v had %d calls at once, want %d", id, n, slots/workers)
			}
		}
	})
}

func TestWorkerCount(t *testing.T) {
	for _, tt := range []struct {
		slots   int
		own     string
		threads int
	}{{16, "2", 2}, {5, "3", 3}, {3, "", 3}, {1, "", 1}, {2, "nonsense", 2}} {
		f := run(t, `
import { threadId } from "node:worker_threads";
export const handler = async () => { await new Promise((r) => setTimeout(r, 300)); return threadId; };
`, options{Slots: tt.slots, Env: map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": tt.own}}).WaitReady().WaitIdle(tt.slots)
		var mu sync.Mutex
		threads := map[string]bool{}
		var wg sync.WaitGroup
		for range tt.slots {
			wg.Go(func() {
				res := f.Call(`{}`)
				mu.Lock()
				defer mu.Unlock()
				threads[string(res.Body)] = true
			})
		}
		wg.Wait()
		if len(threads) != tt.threads {
			t.Errorf("%+v: %d threads", tt, len(threads))
		}
		if f.Idle() > tt.slots {
			t.Errorf("%+v: %d polls", tt, f.Idle())
		}
	}
}

// The request and trace ids that code sees after it has waited are those of its own invocation.
func TestOverlappingInvocationsAreApart(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		const slots, calls = 32, 400
		f := run(t, `
import { setTimeout as sleep } from "node:timers/promises";
export const handler = async (event, context) => {
  const seen = [];
  for (let i = 0; i < 4; i++) {
    await sleep(Math.random() * 5);
    seen.push(awslambda.InvokeStore.getRequestId(), awslambda.InvokeStore.getXRayTraceId(), context.awsRequestId, context.xRayTraceId);
  }
  console.log("mine", event.id);
  await new Promise((resolve) => setImmediate(() => { console.info({ late: event.id }); resolve(); }));
  return { id: event.id, seen: [...new Set(seen)], env: process.env._X_AMZN_TRACE_ID ?? null };
};
`, options{Runtime: runtime, Slots: slots}).WaitReady().WaitIdle(slots)
		room := make(chan struct{}, slots)
		var wg sync.WaitGroup
		for i := range calls {
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				id := fmt.Sprintf("own-%d", i)
				f.Want(`{"id":"`+id+`"}`, `{"id":"`+id+`","seen":["`+id+`","Root=`+id+`"],"env":null}`, func(inv *runtimeapi.Invocation) {
					inv.RequestID, inv.TraceID = id, "Root="+id
				})
			})
		}
		wg.Wait()
		f.WaitLog(`"requestId":"own-399"`, `"message":"mine own-399"`)
		f.WaitLog(`"requestId":"own-399"`, `"message":{"late":"own-399"}`)
		for _, line := range f.Logs() {
			var l struct {
				RequestID string
				Message   any
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if text := fmt.Sprint(l.Message); !strings.HasSuffix(text, l.RequestID) && !strings.HasSuffix(text, l.RequestID+"]") {
				t.Errorf("%s", line)
			}
		}
	})
}

func TestOrdinaryFunction(t *testing.T) {
	for _, runtime := range []string{"nodejs20.x", "nodejs22.x", "nodejs24.x"} {
		t.Run(runtime, func(t *testing.T) {
			f := run(t, `
let n = 0;
exports.handler = async () => ({ n: ++n, max: process.env.AWS_LAMBDA_MAX_CONCURRENCY, kind: process.env.AWS_LAMBDA_INITIALIZATION_TYPE,
  trace: process.env._X_AMZN_TRACE_ID, major: process.version.slice(0, 3) });
`, options{Runtime: runtime, File: "index.js"}).WaitReady()
			major := "v" + runtime[6:8]
			for i := 1; i <= 3; i++ {
				trace := ""
				if i == 2 {
					trace = `"trace":"Root=2",`
				}
				f.Want(`{}`, fmt.Sprintf(`{"n":%d,"kind":"on-demand",%s"major":"%s"}`, i, trace, major), func(inv *runtimeapi.Invocation) {
					if i == 2 {
						inv.TraceID = "Root=2"
					}
				})
			}
		})
	}
}

func TestContext(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		f := run(t, `
export const handler = async (event, c) => ({
  names: [c.functionName, c.functionVersion, c.memoryLimitInMB, c.logGroupName, c.logStreamName],
  arn: c.invokedFunctionArn, tenant: c.tenantId, client: c.clientContext, identity: c.identity,
  left: 8000 < c.getRemainingTimeInMillis() && c.getRemainingTimeInMillis() <= 10000, trace: c.xRayTraceId, id: c.awsRequestId,
});
`, options{Runtime: runtime, Slots: 1}).WaitReady()
		names := `"names":["f","1","2048","/aws/lambda/f","stream"]`
		f.Want(`{}`, `{`+names+`,"arn":"arn:x:1","tenant":"t1","client":{"custom":{"a":"ä"},"env":{"b":1},"client":{"app_title":"app"}},`+
			`"identity":{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"},"left":true,"trace":"Root=1-2","id":"full"}`,
			func(inv *runtimeapi.Invocation) {
				inv.RequestID, inv.FunctionARN, inv.TenantID, inv.TraceID = "full", "arn:x:1", "t1", "Root=1-2"
				inv.ClientContext = `{"custom":{"a":"ä"},"env":{"b":1},"client":{"app_title":"app"}}`
				inv.CognitoIdentity = `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`
			})
		f.Want(`{}`, `{`+names+`,"arn":"arn:aws:lambda:us-east-1:000000000000:function:f","left":true,"id":"bare"}`,
			runtimestest.ID("bare"))
		res := f.Call(`{}`, func(inv *runtimeapi.Invocation) { inv.ClientContext = "{" })
		if e := runtimestest.Parse(t, res.Body); e.ErrorType != "Runtime.PlatformError" {
			t.Errorf("%s", res.Body)
		}
	})
}

func TestResults(t *testing.T) {
	f := run(t, `
export const handler = (event) => eval(event);
`, options{Slots: 1}).WaitReady()
	for event, want := range map[string]string{
		`undefined`: `null`, `null`: `null`, `"ü"`: `"ü"`, `[1, 2.5, true]`: `[1,2.5,true]`, `NaN`: `null`,
		`new Date(0)`: `"1970-01-01T00:00:00.000Z"`, `({a: {b: []}, c: undefined})`: `{"a":{"b":[]}}`, `Promise.resolve(7)`: `7`,
		`"\ud800"`: `"\ud800"`,
	} {
		f.Want(runtimestest.Quote(event), want)
	}
	if res := f.Call(runtimestest.Quote(`1`)); res.ContentType != "application/json" {
		t.Errorf("content type %s", res.ContentType)
	}
	for _, event := range []string{`1n`, `(() => { const a = {}; a.a = a; return a; })()`} {
		res := f.Call(runtimestest.Quote(event))
		if e := runtimestest.Parse(t, res.Body); res.Status != runtimeapi.StatusFunctionError || e.ErrorType != "Runtime.JSONStringifyError" ||
			e.ErrorMessage != "Unable to stringify response body" {
			t.Errorf("%s", res.Body)
		}
	}
	if res := f.Call(runtimestest.Quote(`(() => {})`)); runtimestest.Parse(t, res.Body).ErrorMessage != "Wrong arguments" {
		t.Errorf("%s", res.Body)
	}
	if res := f.Call(`{`); runtimestest.Parse(t, res.Body).ErrorType != "SyntaxError" {
		t.Errorf("%s", res.Body)
	}
}

func TestBodies(t *testing.T) {
	f := run(t, `
export const handler = async (event) => (typeof event === "number" ? "x".repeat(event) : event.length);
`, options{Slots: 1}).WaitReady()
	f.Want(`"`+strings.Repeat("ü", 3<<20)+`"`, strconv.Itoa(3<<20))
	if res := f.Call(`6000000`); len(res.Body) != 6000002 {
		t.Errorf("%d bytes", len(res.Body))
	}
	if res := f.Call(`7000000`); res.ErrorType != "Function.ResponseSizeTooLarge" {
		t.Errorf("%s: %.200s", res.ErrorType, res.Body)
	}
	if res := f.Call(`60000000`); res.ErrorType != "Function.ResponseSizeTooLarge" { // more than the server reads of it
		t.Errorf("%s: %.200s", res.ErrorType, res.Body)
	}
	f.WaitIdle(1).Want(`"after"`, `5`)
}

func TestHandlerErrors(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		f := run(t, `
class OrderError extends Error { constructor(m) { super(m); this.name = "OrderError"; this.order = 7; } }
export const handler = async (event) => {
  if (event === "string") throw "only text";
  if (event === "sync") null.x;
  deeper(event);
};
function deeper(event) { throw new OrderError("bad: " + event); }
`, options{Runtime: runtime, Slots: 2}).WaitReady()
		res := f.Call(`"x"`, runtimestest.ID("err-1"))
		e := runtimestest.Parse(t, res.Body)
		if res.Status != runtimeapi.StatusFunctionError || res.ErrorType != "Runtime.Unknown" || e.ErrorType != "OrderError" || e.ErrorMessage != "bad: x" {
			t.Errorf("%+v %s", res.ErrorType, res.Body)
		}
		if len(e.Trace) < 3 || e.Trace[0] != "OrderError: bad: x" || !strings.Contains(e.Trace[1], "at deeper (file:///var/task/index.mjs:8:") {
			t.Errorf("trace %q", e.Trace)
		}
		f.WaitLog(`"level":"ERROR","requestId":"err-1","message":{"errorType":"OrderError","errorMessage":"bad: x","stackTrace":["OrderError: bad: x"`, `"order":7`)
		if res := f.Call(`"string"`); string(res.Body) != `{"errorType":"string","errorMessage":"only text","trace":[]}` {
			t.Errorf("%s", res.Body)
		}
		if e := runtimestest.Parse(t, f.Call(`"sync"`).Body); e.ErrorType != "TypeError" {
			t.Errorf("%+v", e)
		}
	})
}

// The clients of Node.js 22 and 24 have different names for some errors.
func TestErrorsOfOrdinaryFunctions(t *testing.T) {
	const unreadable = "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack"
	for runtime, errors := range map[string]map[string][2]string{
		"nodejs22.x": {
			"bigint": {"Error", "Unable to stringify response body"}, "circle": {"Error", "Unable to stringify response body"},
			"null": {"string", "handled"}, "undefined": {"string", "handled"}, "number message": {"handled", unreadable},
			"bare": {"TypeError", "Cannot convert object to primitive value"}, "symbol": {"TypeError", "Cannot convert a Symbol value to a string"},
		},
		"nodejs24.x": {
			"bigint": {"Runtime.JSONStringifyError", "Unable to stringify response body"},
			"circle": {"Runtime.JSONStringifyError", "Unable to stringify response body"},
			"null":   {"object", "null"}, "undefined": {"undefined", "undefined"}, "number message": {"handled", unreadable},
			"symbol": {"symbol", "Symbol(x)"},
		},
	} {
		t.Run(runtime, func(t *testing.T) {
			f := run(t, `
const ways = {
  bigint: () => 1n,
  circle: () => { const a = {}; a.a = a; return a; },
  null: () => { throw null; },
  undefined: () => { throw undefined; },
  "number message": () => { throw Object.assign(new Error(), { message: 5 }); },
  bare: () => { throw Object.create(null); },
  symbol: () => { throw Symbol("x"); },
};
exports.handler = async (event) => (event in ways ? ways[event]() : event);
`, options{Runtime: runtime, File: "index.js", Text: true}).WaitReady()
			for event, want := range errors {
				res := f.Call(runtimestest.Quote(event))
				if e := runtimestest.Parse(t, res.Body); res.Status != runtimeapi.StatusFunctionError || e.ErrorType != want[0] || e.ErrorMessage != want[1] {
					t.Errorf("%s: %s", event, res.Body)
				}
			}
			f.Want(`"alive"`, `"alive"`)
		})
	}
}

// An error of the platform is logged with its name in a field of its own only since Node.js 24.
func TestLoggedFaults(t *testing.T) {
	for runtime, want := range map[string][2]string{
		"nodejs22.x": {`"message":{"errorType":"HandlerNotFound",`, `]}}`}, "nodejs24.x": {`"message":{"errorType":"HandlerNotFoundError",`, `"name":"Runtime.HandlerNotFound"}}`},
	} {
		t.Run(runtime, func(t *testing.T) {
			f := run(t, `exports.x = 1;`, options{Runtime: runtime, File: "index.js"})
			f.WantInitError("Runtime.HandlerNotFound")
			if line := f.WaitLog(want[0]); !strings.HasSuffix(line, want[1]) {
				t.Errorf("%s", line)
			}
		})
	}
}

// Before Node.js 24 an ordinary function's handler may be in a folder.
func TestHandlerInFolder(t *testing.T) {
	folder := map[string]string{"lib/index.js": `exports.handler = async () => "folder";`}
	beside := map[string]string{"lib/index.js": `exports.handler = async () => "folder";`, "lib.js": `exports.handler = async () => "file";`}
	run(t, "", options{Handler: "lib.handler", Files: folder}).WaitReady().Want(`{}`, `"folder"`)
	run(t, "", options{Handler: "lib.handler", Files: beside}).WaitReady().Want(`{}`, `"file"`)
	for _, o := range []options{{Runtime: "nodejs24.x"}, {Runtime: "nodejs24.x", Slots: 1}, {Runtime: "nodejs22.x", Slots: 1}} {
		for _, files := range []map[string]string{folder, beside} {
			o.Handler, o.Files = "lib.handler", files
			if e := run(t, "", o).WantInitError("Error"); !strings.Contains(e.ErrorMessage, "Directory import") {
				t.Errorf("%+v", e)
			}
		}
	}
}

func TestHandlerResolution(t *testing.T) {
	for _, tt := range []struct {
		name, handler string
		files         map[string]string
		want          string
	}{
		{"esm", "index.handler", map[string]string{"index.mjs": `export const handler = async () => "mjs";`}, "mjs"},
		{"common js", "index.handler", map[string]string{"index.cjs": `exports.handler = async () => "cjs";`}, "cjs"},
		{"js is common js", "index.handler", map[string]string{"index.js": `exports.handler = async () => typeof require;`}, "function"},
		{"js of type module", "index.handler", map[string]string{"package.json": `{"type":"module"}`, "index.js": `export const handler = async () => typeof require;`}, "undefined"},
		{"nested package", "a/b/index.handler", map[string]string{"a/package.json": `{"type":"module"}`, "a/b/index.js": `export const handler = async () => import.meta.url;`}, "file:///var/task/a/b/index.js"},
		{"js before mjs before cjs", "index.handler", map[string]string{
			"index.cjs": `exports.handler = async () => "cjs";`, "index.mjs": `export const handler = async () => "mjs";`, "index.js": `exports.handler = async () => "js";`}, "js"},
		{"mjs before cjs", "index.handler", map[string]string{"index.cjs": `exports.handler = async () => "cjs";`, "index.mjs": `export const handler = async () => "mjs";`}, "mjs"},
		{"nested names", "index.a.b.c", map[string]string{"index.mjs": `export const a = { b: { c: async () => "deep" } };`}, "deep"},
		{"default", "index.handler", map[string]string{"index.mjs": `export default { handler: async () => "default" };`}, "default"},
		{"unseen export", "index.handler", map[string]string{"index.js": `module.exports = Object.fromEntries([["handler", async () => "made"]]);`}, "made"},
		{"package", "mine.handler", map[string]string{"node_modules/mine/index.js": `exports.handler = async () => "package";`}, "package"},
		{"json folder", "src/app.main", map[string]string{"src/app.cjs": `exports.main = async () => require("./data.json").x;`, "src/data.json": `{"x":"data"}`}, "data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, slots := range []int{0, 1} {
				f := run(t, "", options{Handler: tt.handler, Files: tt.files, Slots: slots}).WaitReady()
				f.Want(`{}`, runtimestest.Quote(tt.want))
			}
		})
	}
}

func TestInitErrors(t *testing.T) {
	for _, tt := range []struct {
		name, code, file, handler, kind, message string
	}{
		{"require", `require("nothing-there");`, "index.js", "", "Runtime.ImportModuleError", "Error: Cannot find module 'nothing-there'\nRequire stack:\n- /var/task/index.js"},
		{"import", `import "nothing-there";`, "", "", "Error", "Cannot find package 'nothing-there' imported from /var/task/index.mjs"},
		{"no module", ``, "", "other.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'other'\nRequire stack:\n- /var/runtime/index.mjs"},
		{"syntax", `export const = ;`, "", "", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected token '='"},
		{"no handler", `export const x = 1;`, "", "", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"},
		{"not a function", `export const handler = "x";`, "", "", "Runtime.HandlerNotFound", "index.handler is not a function"},
		{"bad name", ``, "", "index", "Runtime.MalformedHandlerName", "Bad handler"},
		{"outside", ``, "", "../index.handler", "Runtime.MalformedHandlerName", "'../index.handler' is not a valid handler name. "},
		{"raises", `throw new RangeError("at once");`, "", "", "RangeError", "at once"},
		{"rejects", `await Promise.reject(new Error("later"));`, "", "", "Error", "later"},
	} {
		for _, slots := range []int{0, 16} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, slots), func(t *testing.T) {
				f := run(t, tt.code, options{Slots: slots, Handler: tt.handler, File: tt.file})
				e := f.WantInitError(tt.kind)
				if !strings.HasPrefix(e.ErrorMessage, tt.message) {
					t.Errorf("%+v", e)
				}
				if slots == 0 && tt.name == "syntax" && (len(e.Trace) == 0 || e.Trace[0] != e.ErrorType+": "+e.ErrorMessage) {
					t.Errorf("trace %q", e.Trace)
				}
				f.WantExit(1)
			})
		}
	}
}

// initError waits for a failed init and checks its type.
func TestCallbacks(t *testing.T) {
	const code = `exports.handler = (event, context, callback) => { setTimeout(() => callback(null, "called " + event), 20); };`
	t.Run("refused", func(t *testing.T) {
		for _, o := range []options{{Runtime: "nodejs22.x", Slots: 1}, {Runtime: "nodejs24.x", Slots: 1}, {Runtime: "nodejs24.x"}} {
			o.File = "index.js"
			f := run(t, code, o)
			e := f.WantInitError("Runtime.CallbackHandlerDeprecated")
			want := "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24."
			if o.Runtime == "nodejs22.x" {
				want = "ERROR: AWS Lambda does not support callback-based function handlers when using Node.js 22 with Managed Instances."
			}
			if !strings.HasPrefix(e.ErrorMessage, want) {
				t.Errorf("%+v: %s", o, e.ErrorMessage)
			}
		}
	})
	for _, runtime := range []string{"nodejs20.x", "nodejs22.x"} {
		t.Run(runtime, func(t *testing.T) {
			f := run(t, code, options{Runtime: runtime, File: "index.js"}).WaitReady()
			f.Want(`"a"`, `"called a"`)
			f.Want(`"b"`, `"called b"`)
		})
	}
}

// Ordinary functions of Node.js 20 and 22 answer in several ways.
func TestCallbackRules(t *testing.T) {
	f := run(t, `
const later = (f, ms = 50) => setTimeout(f, ms);
let done;
const ways = {
  waits: (c, cb) => { done = false; later(() => { done = true; }, 200); cb(null, 1); },
  waited: async () => done,
  "does not wait": (c, cb) => { c.callbackWaitsForEmptyEventLoop = false; done = false; later(() => { done = true; }, 200); cb(null, 2); },
  fails: (c, cb) => cb(new TypeError("no")),
  "fails with text": (c, cb) => cb("text"),
  succeed: (c) => later(() => c.succeed("s")),
  fail: (c) => later(() => c.fail(new Error("f"))),
  done: (c) => c.done(null, "d"),
  nothing: () => "ignored",
  never: () => new Promise(() => {}),
  throws: () => { throw new RangeError("thrown"); },
  twice: (c, cb) => { cb(null, "first"); cb(null, "second"); },
  "fails and does not wait": (c, cb) => { done = false; setTimeout(() => { done = true; }, 200); cb(new TypeError("no")); },
  "async calls": async (c, cb) => { done = false; later(() => { done = true; }, 200); cb(null, { statusCode: 200 }); },
  "async calls late": async (c, cb) => { await new Promise(later); cb(null, 3); },
  "async calls, then returns": async (c, cb) => { cb(null, "called"); await new Promise(later); return "returned"; },
  "async calls, then throws": async (c, cb) => { cb(null, "called"); throw new Error("thrown"); },
  "calls, then throws": (c, cb) => { cb(null, "called"); throw new Error("thrown"); },
  "async returns, then calls": async (c, cb) => { later(() => cb(null, "called")); return "returned"; },
  "async fails": async (c, cb) => { cb(new RangeError("bad")); },
  "async succeed": async (c) => { c.succeed("s"); },
  "async done": async (c) => { c.done(null, "d"); },
  "async fail": async (c) => { c.fail(new TypeError("f")); },
  "async fail with nothing": async (c) => { c.fail(); },
};
exports.handler = (event, context, callback) => ways[event](context, callback);
`, options{File: "index.js"}).WaitReady()
	for _, tt := range [][2]string{
		{"waits", `1`}, {"waited", `true`}, {"does not wait", `2`}, {"waited", `false`}, {"succeed", `"s"`}, {"done", `"d"`},
		{"nothing", `null`}, {"never", `null`}, {"twice", `"first"`},
		{"async calls", `{"statusCode":200}`}, {"waited", `true`}, {"async calls late", `3`}, {"async calls, then returns", `"called"`},
		{"async calls, then throws", `"called"`}, {"calls, then throws", `"called"`}, {"async returns, then calls", `"returned"`},
		{"async succeed", `"s"`}, {"async done", `"d"`},
	} {
		f.Want(runtimestest.Quote(tt[0]), tt[1])
	}
	for event, kind := range map[string]string{
		"fails": "TypeError", "fails with text": "string", "fail": "Error", "throws": "RangeError",
		"async fails": "RangeError", "async fail": "TypeError", "async fail with nothing": "string",
	} {
		if res := f.Call(runtimestest.Quote(event)); res.Status != runtimeapi.StatusFunctionError || runtimestest.Parse(t, res.Body).ErrorType != kind {
			t.Errorf("%s: %s", event, res.Body)
		}
	}
	f.Call(`"fails and does not wait"`)
	f.Want(`"waited"`, `false`)
}

// What nobody catches ends an ordinary function's process; before Node.js 24 its caller is told what it was.
func TestUncaughtInOrdinaryFunctions(t *testing.T) {
	const code = `
exports.handler = async (event) => {
  if (event === "reject") Promise.reject(new Error("lost"));
  if (event === "throw" || event === "only throw") setTimeout(() => { throw new TypeError("thrown"); }, 1);
  if (event === "only throw") await new Promise(() => {});
  if (event === "answer" || event === "fail") Promise.reject(new Error("lost"));
  if (event === "answer") return "done";
  if (event === "fail") throw new Error("failed");
  await new Promise((resolve) => setTimeout(resolve, 5000));
};`
	for _, tt := range []struct {
		runtime, event, kind, log string
		code                      int
	}{
		{"nodejs22.x", "reject", "Runtime.UnhandledPromiseRejection", "\tERROR\tUnhandled Promise Rejection \t{", 128},
		{"nodejs22.x", "throw", "TypeError", "\tERROR\tUncaught Exception \t{", 129},
		{"nodejs22.x", "only throw", "TypeError", "\tERROR\tUncaught Exception \t{", 129},
		{"nodejs24.x", "throw", "", "TypeError: thrown", 1},
		{"nodejs24.x", "reject", "", "Error: lost", 1},
		{"nodejs24.x", "answer", "", "Error: lost", 1}, // before it is answered
		{"nodejs24.x", "fail", "", "Error: lost", 1},
	} {
		t.Run(tt.runtime+"/"+tt.event, func(t *testing.T) {
			f := run(t, code, options{Runtime: tt.runtime, File: "index.js", Text: true}).WaitReady()
			answers := make(chan runtimeapi.Result, 1)
			go func() { answers <- f.Call(runtimestest.Quote(tt.event)) }()
			f.WantExit(tt.code)
			f.WaitLog(tt.log)
			f.Fail(f.Process.Exit().Fault()) // as the agent does
			res := <-answers
			kind := runtimestest.Parse(t, res.Body).ErrorType
			if tt.kind == "" {
				tt.kind = "Runtime.ExitError"
			}
			if kind != tt.kind {
				t.Errorf("%s", res.Body)
			}
		})
	}
}

func TestDeadWorkerIsReportedAndReplaced(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		f := run(t, `
import { threadId } from "node:worker_threads";
import { setTimeout as sleep } from "node:timers/promises";
export const handler = async (event) => {
  if (event === "exit") process.exit(7);
  if (event === "throw") setTimeout(() => { throw new TypeError("nobody catches it"); }, 1);
  if (event === "reject" || event === "answer") Promise.reject(new Error("nobody handles it"));
  if (event === "answer") return "done";
  if (event === "memory") for (const all = [];;) all.push(new Array(1e5).fill(threadId));
  if (event === "brief") await sleep(1000);
  else await sleep(20000);
  return threadId;
};
`, options{Runtime: runtime, Slots: 3, MemoryMB: 128, Env: map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": "3"}}).WaitReady().WaitIdle(3)
		for event, code := range map[string]int{"exit": 7, "throw": 1, "reject": 1, "answer": 1, "memory": 1} {
			id := "dead-" + event
			res := f.WantCrash(runtimestest.Quote(event), id, fmt.Sprintf("exited with error: exit status %d", code))
			if res.Duration > 5*time.Second {
				t.Errorf("%s: reported after %v", event, res.Duration)
			}
			f.WaitIdle(3)
		}
		f.WaitLog(`"requestId":"dead-throw"`, `"errorType":"TypeError","errorMessage":"nobody catches it"`)
		f.WaitLog(`"requestId":"dead-reject"`, `"errorMessage":"nobody handles it"`)
		f.WaitLog(`"errorType":"ERR_WORKER_OUT_OF_MEMORY"`)
		// All at once: one after the other they would all go to the worker that asked last.
		threads, results := map[string]bool{}, make(chan runtimeapi.Result, 3)
		for range cap(results) {
			go func() { results <- f.Call(`"brief"`) }()
		}
		for range cap(results) {
			res := <-results
			if res.Status != runtimeapi.StatusOK {
				t.Errorf("%s", res.Body)
			}
			threads[string(res.Body)] = true
		}
		if len(threads) != 3 {
			t.Errorf("threads %v", threads)
		}
	})
}

// One thread's end fails its own invocations, all of them, and none of another's.
func TestDeadWorkerTakesOnlyItsOwn(t *testing.T) {
	f := run(t, `
import { setTimeout as sleep } from "node:timers/promises";
export const handler = async (event) => {
  await sleep(event.ms);
  if (event.exit) process.exit(3);
  return event.n;
};
`, options{Slots: 8, Env: map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": "2"}}).WaitReady().WaitIdle(8)
	var wg sync.WaitGroup
	var mu sync.Mutex
	good, dead := 0, 0
	for i := range 8 {
		wg.Go(func() {
			res := f.Call(fmt.Sprintf(`{"n":%d,"ms":%d,"exit":%t}`, i, 1000-100*min(i, 5), i == 7))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case res.Status == runtimeapi.StatusOK && string(res.Body) == strconv.Itoa(i):
				good++
			case res.ErrorType == "Runtime.ExitError":
				dead++
			default:
				t.Errorf("%+v %s", res, res.Body)
			}
		})
	}
	wg.Wait()
	if good < 4 || dead < 1 || good+dead != 8 {
		t.Errorf("%d good, %d dead", good, dead)
	}
	f.WaitIdle(8)
}

func TestTimeoutLeavesOthersAlone(t *testing.T) {
	f := run(t, `
import { setTimeout as sleep } from "node:timers/promises";
export const handler = async (event) => { await sleep(event); return "slept"; };
`, options{Slots: 2, Late: runtimeapi.LateGone}).WaitReady().WaitIdle(2)
	res := f.Call(`600`, func(inv *runtimeapi.Invocation) { inv.Timeout = 100 * time.Millisecond })
	if res.Status != runtimeapi.StatusTimeout {
		t.Errorf("%+v", res)
	}
	f.Want(`0`, `"slept"`)
	f.WaitLog("InvokeTimeout")
	f.WaitIdle(2)
	f.Want(`0`, `"slept"`)
}

func TestJSONLogs(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		f := run(t, `
console.info("during init");
class OrderError extends Error {}
export const handler = async () => {
  console.log("hello %s", "world", { order: 7 });
  console.debug("not shown");
  console.trace("not shown");
  console.warn({ a: 1, b: [2] });
  console.error("caught", new OrderError("bad\norder"));
  console.error(new OrderError("alone"));
  const circle = { big: 1n };
  circle.circle = circle;
  console.info(circle);
  console.fatal("end");
  console.log("two\nlines");
  console.log();
  if (console.log !== console.info) console.error("log is not info");
  console.table([{ x: 1 }]);
  process.stdout.write("plain line\n");
  process.stderr.write("to stderr\n");
  process.stdout.write("y".repeat(100000) + "\n");
  process.stdout.write("no ");
  process.stdout.write("newline");
};
`, options{Runtime: runtime, Slots: 1}).WaitReady()
		f.Call(`{}`, func(inv *runtimeapi.Invocation) { inv.RequestID, inv.TenantID = "log-1", "ten" })
		f.WaitLog(`"level":"INFO","requestId":"-","message":"during init"`)
		var line map[string]any
		if err := json.Unmarshal([]byte(f.WaitLog(`hello world`)), &line); err != nil {
			t.Fatal(err)
		}
		stamp, _ := line["timestamp"].(string)
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", stamp); err != nil {
			t.Error(err)
		}
		delete(line, "timestamp")
		want := map[string]any{"level": "INFO", "message": "hello world { order: 7 }", "requestId": "log-1", "tenantId": "ten"}
		if fmt.Sprint(line) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", line, want)
		}
		f.WaitLog(`"level":"WARN"`, `"message":{"a":1,"b":[2]}`)
		f.WaitLog(`"level":"ERROR"`, `"message":"caught OrderError: bad\norder\n    at `, `"errorType":"OrderError","errorMessage":"bad\norder","stackTrace":["Error: bad","order","    at handler (file:///var/task/index.mjs:`)
		f.WaitLog(`"level":"ERROR"`, `"message":{"errorType":"OrderError","errorMessage":"alone","stackTrace":["Error: alone",`)
		f.WaitLog(`"message":"<ref *1> { big: 1n, circle: [Circular *1] }"`)
		f.WaitLog(`"level":"FATAL"`, `"message":"end"`)
		f.WaitLog(`"message":"two\nlines"`)
		for _, whole := range []string{"plain line", "no newline", "to stderr", strings.Repeat("y", 100000)} {
			f.WaitLog(whole)
			if !slices.Contains(f.Logs(), whole) {
				t.Errorf("%.50q is not a line of its own", whole)
			}
		}
		f.WantNoLog("not shown") // below level INFO
		f.WantNoLog("log is not info")
	})
}

func TestLinesOfThreadsDoNotMix(t *testing.T) {
	const slots = 8
	f := run(t, `
export const handler = async (event) => {
  for (let i = 0; i < 20; i++) {
    process.stdout.write(event.repeat(20000) + "\n");
    process.stdout.write(event + "\n");
  }
};
`, options{Slots: slots}).WaitReady().WaitIdle(slots)
	var wg sync.WaitGroup
	for i := range slots {
		wg.Go(func() { f.Call(fmt.Sprintf(`"%c"`, 'a'+i)) })
	}
	wg.Wait()
	lines := f.WaitLines(slots*40, func(string) bool { return true })
	if len(lines) != slots*40 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if line != strings.Repeat(line[:1], len(line)) || len(line) != 1 && len(line) != 20000 {
			t.Fatalf("mixed line of %d bytes", len(line))
		}
	}
}

func TestTextLogs(t *testing.T) {
	for runtime, none := range map[string]string{"nodejs22.x": "undefined", "nodejs24.x": "-"} {
		t.Run(runtime, func(t *testing.T) {
			f := run(t, `
console.log("in init");
export const handler = async () => {
  console.warn("careful\nnow", { a: 1 });
  throw new RangeError("broke");
};
`, options{Runtime: runtime, Text: true}).WaitReady()
			f.Call(`{}`, runtimestest.ID("text-1"))
			if line := f.WaitLog("in init"); !strings.HasSuffix(line, "Z\t"+none+"\tINFO\tin init") {
				t.Errorf("%q", line)
			}
			if line := f.WaitLog("careful"); !strings.HasSuffix(line, "Z\ttext-1\tWARN\tcareful\xffnow { a: 1 }") {
				t.Errorf("%q", line)
			}
			f.WaitLog("Z\ttext-1\tERROR\tInvoke Error \t{\"errorType\":\"RangeError\",\"errorMessage\":\"broke\",\"stack\":[\"RangeError: broke\",\"    at ")
		})
	}
}

func TestStreaming(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		f := run(t, `
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
const ways = {
  async parts(out) {
    out.setContentType("text/plain");
    for (const part of ["one ", Buffer.from("two "), new TextEncoder().encode("three "), "", { four: 4 }]) out.write(part);
    out.end(" end");
  },
  async http(out) {
    out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { x: "y" } });
    out.write("body");
    out.end();
  },
  async big(out) { await pipeline(Readable.from((function* () { for (let i = 0; i < 500; i++) yield "z".repeat(10000); })()), out); },
  async empty(out) { out.end(); },
  async early() { throw new TypeError("before"); },
  async mid(out) { out.write("begun"); await new Promise((r) => setTimeout(r, 10)); throw new RangeError("in the middle"); },
  async destroyed(out) { out.write("begun"); out.destroy(); },
  sync(out) { out.end("x"); },
  async returns(out) { out.end("r"); return 1; },
  async late(out) { out.write("x"); try { out.setContentType("y"); } catch (e) { out.end(e.name); } },
};
export const handler = awslambda.streamifyResponse((event, out, context) => ways[event](out, context), { highWaterMark: 1000 });
`, options{Runtime: runtime, Slots: 2}).WaitReady()
		for event, want := range map[string][2]string{
			"parts": {"text/plain", `one two three {"four":4} end`},
			"http":  {"application/vnd.awslambda.http-integration-response", `{"statusCode":201,"headers":{"x":"y"}}` + "\x00\x00\x00\x00\x00\x00\x00\x00body"},
			"big":   {"application/octet-stream", strings.Repeat("z", 5_000_000)},
			"empty": {"application/octet-stream", ""}, "returns": {"application/octet-stream", "r"},
			"late": {"application/octet-stream", "xRuntime.InvalidStreamingOperation"},
		} {
			res := f.Call(runtimestest.Quote(event))
			if res.Status != runtimeapi.StatusOK || !res.Streamed || res.ContentType != want[0] || string(res.Body) != want[1] {
				t.Errorf("%s: %+v %.100q", event, res.ErrorType, res.Body)
			}
		}
		for event, want := range map[string]string{"early": "before", "mid": "in the middle"} {
			res := f.Call(runtimestest.Quote(event), runtimestest.ID("stream-"+event))
			if e := runtimestest.Parse(t, res.Body); res.Status != runtimeapi.StatusFunctionError || e.ErrorMessage != want || len(e.Trace) < 2 {
				t.Errorf("%s: %s", event, res.Body)
			}
			f.WaitLog(`"requestId":"stream-`+event+`"`, want)
		}
		// What has ended stays as it is, as on AWS.
		if res := f.Call(`"sync"`); res.Status != runtimeapi.StatusOK || string(res.Body) != "x" {
			t.Errorf("sync: %+v", res)
		}
		f.WaitLog("Streaming does not support non-async handlers.")
		f.WaitLog("Streaming handlers ignore return values.")
		if res := f.Call(`"destroyed"`); res.ErrorType != "Runtime.TruncatedResponse" {
			t.Errorf("destroyed: %+v %s", res.ErrorType, res.Body)
		}
		f.WaitIdle(2)
	})
}

// An ordinary function waits for the end of a stream, though nothing that runs could end it.
func TestStreamNeverEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, runtime string) {
		for _, begins := range []bool{true, false} {
			f := run(t, `export const handler = awslambda.streamifyResponse(async (event, out) => { if (event) out.write("part"); });`,
				options{Runtime: runtime}).WaitReady()
			res := f.Call(strconv.FormatBool(begins), func(inv *runtimeapi.Invocation) { inv.Timeout = time.Second })
			if res.Status != runtimeapi.StatusTimeout {
				t.Errorf("%+v %s", res, res.Body)
			}
			select {
			case <-f.Process.Done():
				t.Errorf("ended: %v", f.Process.Exit())
			default:
			}
		}
	})
}

// What nobody catches before Node.js 24 is the error of a stream, however much of it is sent.
func TestUncaughtInStream(t *testing.T) {
	const code = `
const ways = {
  throw: () => setTimeout(() => { throw new TypeError("lost"); }, 1),
  reject: () => { Promise.reject(new TypeError("lost")); },
};
export const handler = awslambda.streamifyResponse(async (event, out) => {
  if (event.begins) out.write("begun");
  ways[event.way]();
  if (event.returns) return;
  await new Promise(() => {});
});
`
	for _, tt := range []struct {
		event, kind, message string
		code                 int
	}{
		{`{"way":"throw","begins":true}`, "TypeError", "lost", 129},
		{`{"way":"throw","begins":true,"returns":true}`, "TypeError", "lost", 129},
		{`{"way":"throw"}`, "TypeError", "lost", 129},
		{`{"way":"reject","begins":true}`, "Runtime.UnhandledPromiseRejection", "TypeError: lost", 128},
	} {
		for _, streamed := range []bool{false, true} {
			f := run(t, code, options{Runtime: "nodejs22.x"}).WaitReady()
			res := f.Call(tt.event, func(inv *runtimeapi.Invocation) { inv.Stream = streamed })
			if res.Stream != nil {
				io.Copy(io.Discard, res.Stream)
				res = res.Stream.Result()
			}
			if e := runtimestest.Parse(t, res.Body); res.Status != runtimeapi.StatusFunctionError || e.ErrorType != tt.kind || e.ErrorMessage != tt.message {
				t.Errorf("%s, streamed %t: %s %s", tt.event, streamed, res.ErrorType, res.Body)
			}
			f.WantExit(tt.code)
		}
	}
}

func TestSandboxAsOnAWS(t *testing.T) {
	f := run(t, `
import os from "node:os";
export const handler = async () => [process.cwd(), process.env.AWS_EXECUTION_ENV, process.env.MINE, os.userInfo().username, process.execPath,
  process.env.NODE_PATH, process.env.LAMINA_VCPUS ?? null];
`, options{Slots: 1, Env: map[string]string{"MINE": "1", "_HIDDEN": "x", "AWS_REGION": "other"}}).WaitReady()
	if f.Process.PID() > 0 {
		f.Want(`{}`, `["/var/task","AWS_Lambda_nodejs22.x","1","sbx_user1051","/var/lang/bin/node","/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",null]`)
	}
}

// What a process leaves unfinished on its way out is not lost.
func TestExitInOrdinaryFunction(t *testing.T) {
	f := run(t, `export const handler = async () => { process.stdout.write("half a line"); process.exit(9); };`, options{}).WaitReady()
	answers := make(chan runtimeapi.Result, 1)
	go func() { answers <- f.Call(`{}`) }()
	f.WantExit(9)
	f.WaitLog("half a line")
	f.Fail(f.Process.Exit().Fault())
	<-answers
}

func TestSigtermEndsAll(t *testing.T) {
	for _, slots := range []int{0, 4} {
		f := run(t, "export const handler = async () => {};", options{Slots: slots}).WaitReady()
		begin := time.Now()
		f.Process.Signal(syscall.SIGTERM)
		f.WantExit(143)
		t.Logf("%d slots: ended after %v", slots, time.Since(begin))
	}
}

// 192 slots in three environments: the publish that users wait for.
func TestFastStart(t *testing.T) {
	var fs []*fn
	begin := time.Now()
	for range 3 {
		fs = append(fs, run(t, "export const handler = async (e) => e;", options{Slots: 64}))
	}
	for _, f := range fs {
		f.WaitReady()
	}
	first := time.Since(begin)
	for _, f := range fs {
		f.WaitIdle(64)
	}
	t.Logf("3 environments ready after %v, all 192 slots after %v", first, time.Since(begin))
}

// Handlers that keep their thread busy are spread over the threads, from the first calls on. Other
// work on the machine may spoil the order in which polls arrive, so there are some tries.
func TestFirstCallsAreSpreadOverThreads(t *testing.T) {
	const workers, tries = 8, 10
	for range tries {
		threads := firstCalls(t, workers)
		t.Logf("calls per thread: %v", threads)
		if len(threads) >= workers/2 {
			return
		}
	}
	t.Errorf("%d calls at once never went to even %d threads", workers, workers/2)
}

// firstCalls makes n calls at once in a new environment and counts them by thread.
func firstCalls(t *testing.T, n int) map[string]int {
	const slots = 64
	f := run(t, `
import { threadId } from "node:worker_threads";
export const handler = () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  return threadId;
};
`, options{Slots: slots}).WaitReady().WaitIdle(slots)
	var mu sync.Mutex
	threads := map[string]int{}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			res := f.Call(`{}`)
			mu.Lock()
			defer mu.Unlock()
			threads[string(res.Body)]++
		})
	}
	wg.Wait()
	return threads
}

// A worker that dies while the others still start gets its second chance when one of them is ready.
func TestDeathDuringInit(t *testing.T) {
	f := run(t, `
import { threadId } from "node:worker_threads";
if (threadId === 1) process.exit(3);
await new Promise((resolve) => setTimeout(resolve, 1000));
export const handler = async () => threadId;
`, options{Slots: 4, Env: map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": "2"}}).WaitReady().WaitIdle(4)
	if res := f.Call(`{}`); res.Status != runtimeapi.StatusOK {
		t.Errorf("%+v", res)
	}
	f = run(t, `process.exit(3);`, options{Slots: 4})
	f.WantExit(1)
}

// TestEndsWithItsAPI: an environment whose Runtime API is gone ends, lest it take the events of whoever listens there next.
func TestEndsWithItsAPI(t *testing.T) {
	f := run(t, `export const handler = async () => 1;`, options{Slots: 3})
	f.WaitIdle(3)
	f.Close()
	f.WaitExit()
}
