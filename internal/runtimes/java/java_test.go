package java_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

func TestSlotsOverlapInThreads(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		for _, slots := range []int{1, 8, 32} {
			t.Run(fmt.Sprint(slots), func(t *testing.T) { overlap(t, jvm, slots) })
		}
	})
}

func overlap(t *testing.T, jvm string, slots int) {
	f := run(t, "Slots", options{Runtime: jvm, Slots: slots}).WaitReady().WaitIdle(slots)
	t.Logf("%d slots poll after %v", slots, time.Since(f.Started))
	var wg sync.WaitGroup
	threads := make([]string, slots)
	for i := range slots {
		wg.Go(func() {
			id := fmt.Sprintf("id-%d", i)
			var got []any
			res := f.Call(fmt.Sprintf(`{"token":"t%d","together":%d}`, i, slots), func(inv *runtimeapi.Invocation) { inv.RequestID, inv.TraceID = id, "Root="+id })
			if json.Unmarshal(res.Body, &got); len(got) != 6 || got[0] != fmt.Sprintf("t%d", i) || got[2] != 1.0 || got[4] != id || got[5] != "Root="+id {
				t.Errorf("%s: %s", id, res.Body)
				return
			}
			threads[i] = fmt.Sprint(got[1])
		})
	}
	wg.Wait()
	if slices.Sort(threads); len(slices.Compact(threads)) != slots {
		t.Errorf("threads: %q", threads)
	}
	f.WaitLog(fmt.Sprintf("Starting %d concurrent function handler threads.", slots))
}

func TestOrdinaryFunction(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "Echo", options{Runtime: jvm}).WaitReady()
		for i := range 3 {
			f.Want(fmt.Sprintf(`{"n":%d}`, i), fmt.Sprintf(`{"n":%d}`, i))
		}
	})
}

func TestContext(t *testing.T) {
	names := `"names":["f","1",2048,"/aws/lambda/f","stream"]`
	full := func(inv *runtimeapi.Invocation) {
		inv.RequestID, inv.FunctionARN, inv.TenantID, inv.TraceID = "full", "arn:x:1", "t1", "Root=1-2"
		inv.ClientContext = `{"custom":{"a":"ä"},"env":{"b":1},"client":{"app_title":"app"}}`
		inv.CognitoIdentity = `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`
	}
	for slots, property := range map[int]string{1: "null", 0: `"Root=1-2"`} {
		f := run(t, "Probe", options{Slots: slots}).WaitReady()
		f.Want(`{}`, `{`+names+`,"arn":"arn:x:1","tenant":"t1","client":[{"a":"ä"},{"b":"1"},"app",null],"identity":["i","p"],"left":true,"trace":"Root=1-2","property":`+property+`,"id":"full"}`, full)
		f.Want(`{}`, `{`+names+`,"arn":"arn:aws:lambda:us-east-1:000000000000:function:f","tenant":null,"client":null,"identity":null,"left":true,"trace":null,"property":null,"id":"bare"}`,
			runtimestest.ID("bare"))
		res := f.Call(`{}`, func(inv *runtimeapi.Invocation) { inv.ClientContext = "{" })
		if res.Status != runtimeapi.StatusFunctionError {
			t.Errorf("%+v", res)
		}
	}
}

// Values go through a mapper without types as they are.
func TestAnyJSON(t *testing.T) {
	f := run(t, "Any", options{Slots: 1}).WaitReady()
	for _, v := range []string{
		`null`, `true`, `"ü \"q\" \\ \n 😀 \u0001"`, `[1,-2,2147483648,12345678901234567890,2.5,1.0E30]`, `{"a":{"b":[],"c":{}},"z":null,"":"x"}`, `""`, `[]`, `"\ud800"`, `0`,
	} {
		f.Want(v, strings.ReplaceAll(v, `\ud800`, `\uD800`))
	}
	f.Want(` { "a" : [ 1 , 2 ] } `, `{"a":[1,2]}`)
	f.Want(`"\u0041\u00e4\ud83d\ude00\/"`, `"Aä😀/"`)
	for _, bad := range []string{`{`, `[1,]`, `{"a"}`, `tru`, `1 2`, `"x`, `-`, `01x`, `"\u12"`} {
		e := runtimestest.Parse(t, f.Call(bad).Body)
		if e.ErrorType != "java.lang.RuntimeException" || e.ErrorMessage != "An error occurred during JSON parsing" || e.StackTrace == nil {
			t.Errorf("%s: %+v", bad, e)
		}
	}
	f.Want(`"after"`, `"after"`)
}

func TestBeansAndRecords(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "Orders", options{Runtime: jvm, Slots: 1}).WaitReady()
		f.Want(`{}`, `{"count":7,"maybe":null,"paid":false}`)
		f.Want(`{"id":5,"count":"12","note":"n","items":[{"name":"a","price":1,"sizes":[3,1],"part":{"name":"b"}},null],"maybe":"yes","color":"GREEN","at":"2026-01-02T03:04:05.006Z",`+
			`"data":"AAH/","paid":"true","sums":{"x":9007199254740993},"URL":"u","unknown":{"deep":[1]},"ID":"other case"}`,
			`{"note":"n","id":"5","count":12,"items":[{"name":"a","price":1.0,"sizes":[1,3],"part":{"name":"b","price":0.0}},null],"maybe":"yes","color":"GREEN","at":1767323045.006000000,`+
				`"data":"AAH/","paid":true,"sums":{"x":9007199254740993},"URL":"u"}`)
		f.Want(`{"count":null,"color":"BLUE","items":{"name":"alone"},"at":1767323045.5}`, `{"count":0,"items":[{"name":"alone","price":0.0}],"maybe":null,"at":1767323045.500000000,"paid":false}`)
		f = run(t, "Items", options{Runtime: jvm, Slots: 1}).WaitReady()
		f.Want(`[{"name":"x","price":2}]`, `[{"name":"x","price":2.0}]`)
		f = run(t, "Derived", options{Runtime: jvm}).WaitReady()
		f.Want(`{"name":"x","sizes":[5]}`, `{"x":5}`)
	})
}

// What a type can't hold fails the invocation, as on AWS; it never becomes another value.
func TestScalars(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "ScalarsEcho", options{Runtime: jvm, Slots: 1}).WaitReady()
		const unset = `"whole":0,"wide":0,"small":0,"tiny":0,"letter":"\u0000","fraction":0.0,"flag":false`
		for event, want := range map[string]string{
			`"whole":2147483647`: `2147483647`, `"whole":-2147483648`: `-2147483648`, `"whole":"2147483647"`: `2147483647`,
			`"whole":1.9`: `1`, `"whole":-1.9`: `-1`, `"whole":1e3`: `1000`, `"whole":""`: `0`, `"whole":null`: `0`, `"whole":[7]`: `7`,
			`"wide":9223372036854775807`: `9223372036854775807`, `"wide":"-9223372036854775808"`: `-9223372036854775808`, `"wide":1.5e10`: `15000000000`,
			`"small":-32768`: `-32768`, `"tiny":-128`: `-128`, `"tiny":255`: `-1`, `"letter":65`: `"A"`, `"letter":""`: `"\u0000"`, `"fraction":" 1e400 "`: `"Infinity"`,
			`"flag":"True"`: `true`, `"flag":" false"`: `false`, `"flag":2`: `true`, `"flag":4294967296`: `true`, `"flag":0`: `false`, `"flag":""`: `false`,
			`"boxed":" 5"`: `5`, `"wideBoxed":6.9`: `6`, `"flagBoxed":"FALSE"`: `false`,
		} {
			name, _, _ := strings.Cut(event, ":")
			var got map[string]json.RawMessage
			if body := f.Call("{" + event + "}").Body; json.Unmarshal(body, &got) != nil || string(got[strings.Trim(name, `"`)]) != want {
				t.Errorf("%s: %s, want %s", event, body, want)
			}
		}
		f.Want(`{"boxed":"","wideBoxed":"","flagBoxed":""}`, "{"+unset+"}")
		f.Want(`{"whole":null,"flagBoxed":"TRUE","many":["1",2.5,null]}`, "{"+unset+`,"flagBoxed":true,"many":[1,2,null]}`)
		for event, cause := range map[string]string{
			`"whole":5000000000`:                 `Numeric value (5000000000) out of range of int (-2147483648 - 2147483647)`,
			`"whole":"5000000001"`:               `Numeric value (5000000001) out of range of int (-2147483648 - 2147483647)`,
			`"whole":5e9`:                        `Numeric value (5.0E9) out of range of int`,
			`"whole":"1.9"`:                      "Cannot deserialize value of type `int` from String \\\"1.9\\\": not a valid `int` value",
			`"boxed":-2147483649`:                `Numeric value (-2147483649) out of range of int`,
			`"many":[1,5000000002]`:              `Numeric value (5000000002) out of range of int`,
			`"wide":99999999999999999999`:        `Numeric value (99999999999999999999) out of range of long (-9223372036854775808 - 9223372036854775807)`,
			`"wideBoxed":"99999999999999999999"`: "from String \\\"99999999999999999999\\\": not a valid `long` value",
			`"wide":1e19`:                        `Numeric value (1.0E19) out of range of long`,
			`"small":32768`:                      `Numeric value (32768) out of range of Java short`,
			`"tiny":256`:                         `Numeric value (256) out of range of Java byte`,
			`"tiny":"-129"`:                      `Numeric value (-129) out of range of Java byte`,
			`"letter":65536`:                     `Numeric value (65536) out of range of Java char`,
			`"flag":"x"`:                         "Cannot deserialize value of type `boolean` from String \\\"x\\\": only \\\"true\\\" or \\\"false\\\" recognized",
			`"flagBoxed":"tRUE"`:                 "Cannot deserialize value of type `java.lang.Boolean` from String \\\"tRUE\\\"",
			`"flag":1.5`:                         "Cannot deserialize value of type `boolean` from Floating-point value",
		} {
			if e := runtimestest.Parse(t, f.Call("{"+event+"}").Body); e.ErrorMessage != "An error occurred during JSON parsing" {
				t.Errorf("%s: %+v", event, e)
			}
			f.WaitLog("Caused by", cause)
		}
	})
}

func TestFormsOfValues(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "FormsEcho", options{Runtime: jvm, Slots: 1}).WaitReady()
		for event, want := range map[string]string{
			`"day":[2020,1,2]`: ``, `"time":[3,4]`: ``, `"time":[3,4,5]`: ``, `"time":[3,4,5,6]`: ``, `"both":[2020,1,2,3,4]`: ``, `"both":[2020,1,2,3,4,5,6]`: ``,
			`"day":"2020-01-02"`: `"day":[2020,1,2]`, `"day":["2020-01-02"]`: `"day":[2020,1,2]`, `"day":[]`: `-`, `"day":" "`: `-`, `"at":[1.5]`: `"at":1.500000000`,
			`"date":"2020-01-01"`: `"date":1577836800000`, `"date":"2020-01-01T01:00:00.123+0100"`: `"date":1577836800123`, `"date":"2020-01-01T01:00+01:00"`: `"date":1577836800000`,
			`"date":"2020-01-01T01:00:00+01"`: `"date":1577836800000`, `"date":"2020-01-01T00:00:01Z"`: `"date":1577836801000`, `"date":"2020-01-01T00:00:01"`: `"date":1577836801000`,
			`"date":1577836800000`: ``, `"date":[]`: `-`,
			`"color":0`: `"color":"RED"`, `"color":"1"`: `"color":"GREEN"`, `"color":[1]`: `"color":"GREEN"`, `"color":2`: `-`, `"color":"01"`: `-`, `"color":-1`: `-`, `"color":" RED "`: `"color":"RED"`,
			`"data":[1,-2,255]`: `"data":"Af7/"`, `"data":[]`: `"data":""`, `"data":3`: `"data":"Aw=="`, `"data":"Af7/"`: ``,
		} {
			f.Want("{"+event+"}", "{"+strings.Trim(cmp.Or(want, event), "-")+"}")
		}
		for _, bad := range []string{`"day":[2020,1]`, `"day":[2020,1,2,3]`, `"day":[2020,13,1]`, `"day":[2020,4294967297,1]`, `"time":[3]`, `"both":[2020,1,2]`, `"date":"today"`, `"data":[256]`} {
			if e := runtimestest.Parse(t, f.Call("{"+bad+"}").Body); e.ErrorMessage != "An error occurred during JSON parsing" {
				t.Errorf("%s: %+v", bad, e)
			}
		}
	})
}

// What holds or names another value is written as that.
func TestResults(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "Results", options{Runtime: jvm, Slots: 1}).WaitReady()
		for _, tt := range [][2]string{
			{"bean", `{"none":null,"some":1099511627776,"empty":null}`}, {"optionals", `[3,null,null,2.5,null]`}, {"streams", `[["a","b"],[0,1,2],[],[0.5]]`}, {"closed", `1`},
			{"classes", `["example.Functions$Results","int","[Ljava.lang.String;"]`}, {"entries", `[{"k":"v"},{"RED":[1]}]`}, {"atomics", `[true,1,2,[3]]`},
			{"times", `["UTC",1577836800000,2020]`},
		} {
			f.Want(runtimestest.Quote(tt[0]), tt[1])
		}
	})
}

// A name that is not found is asked for again after a second, as on AWS; both of its ways to say otherwise count.
func TestNegativeTTL(t *testing.T) {
	const name = "networkaddress.cache.negative.ttl"
	file := map[string]string{"own.properties": name + "=7\n", "other.properties": "x=y\n"}
	for want, env := range map[string]map[string]string{
		"1": {"JAVA_TOOL_OPTIONS": "-Djava.security.properties=other.properties"},
		"5": {"AWS_LAMBDA_JAVA_NETWORKADDRESS_CACHE_NEGATIVE_TTL": "5"},
		"7": {"JAVA_TOOL_OPTIONS": "-Djava.security.properties=own.properties"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(functions(t))); err != nil {
			t.Fatal(err)
		}
		f := run(t, "Results", options{Packages: dir, Files: file, Env: env}).WaitReady()
		f.Want(runtimestest.Quote(name), runtimestest.Quote(want))
	}
	run(t, "Results", options{}).WaitReady().Want(runtimestest.Quote(name), `"1"`)
}

// AWS's event classes are filled as AWS fills them, though nothing in them says how.
func TestEventClasses(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "Events", options{Runtime: jvm}).WaitReady()
		f.Want(`{"Records":[{"eventSourceARN":"arn:x","approximateArrivalTimestamp":1767323045.25,"data":"AAH/","other":1}]}`,
			`{"records":[{"eventSourceArn":"arn:x","approximateArrivalTimestamp":1767323045250,"data":"AAH/"}]}`)
	})
}

func TestCustomSerializer(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(functions(t))); err != nil {
		t.Fatal(err)
	}
	classes := compile(t, release, "core.jar", filepath.Join("testdata", "serializer", "example", "Upper.java"))
	if err := os.CopyFS(dir, os.DirFS(classes)); err != nil {
		t.Fatal(err)
	}
	f := run(t, "", options{Handler: "example.Functions$Methods::text", Packages: dir, Slots: 1,
		Files: map[string]string{"META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer": "example.Upper\n"}}).WaitReady()
	f.Want(`x`, `X AS JAVA.LANG.STRING!`)
}

func TestMethods(t *testing.T) {
	for method, tt := range map[string][2]string{
		"text": {`"a"`, `"a!"`}, "sum": {`[1,2,3]`, `6`}, "both": {`{"name":"i"}`, `["i","f"]`}, "only": {`{}`, `"1"`}, "none": {`{}`, `null`},
		"in": {`anything `, `anything `}, "out": {`{}`, `f`}, "input": {`{}`, `null`},
	} {
		f := run(t, "Methods", options{Handler: "example.Functions$Methods::" + method}).WaitReady()
		f.Want(tt[0], tt[1])
	}
	f := run(t, "EchoStream", options{Handler: "example.Functions$EchoStream::handleRequest", Slots: 2}).WaitReady()
	f.Want("\x00raw", "\x00raw")
}

func TestBodies(t *testing.T) {
	f := run(t, "EchoStream", options{Slots: 1}).WaitReady()
	for _, n := range []int{0, 1, 8191, 8192, 100_000, 6 << 20} {
		f.Want(strings.Repeat("x", n), strings.Repeat("x", n))
	}
	if res := f.Call(strings.Repeat("x", 7<<20)); res.ErrorType != "Function.ResponseSizeTooLarge" {
		t.Errorf("%s: %.200s", res.ErrorType, res.Body)
	}
	f.WaitIdle(1).Want("after", "after")
	if res := f.Call("{}"); res.ContentType != "application/json" {
		t.Errorf("content type %s", res.ContentType)
	}
}

func TestHandlerErrors(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "Errors", options{Runtime: jvm, Slots: 2, MemoryMB: 256}).WaitReady()
		res := f.Call(`"deep"`, runtimestest.ID("err-1"))
		if res.Status != runtimeapi.StatusFunctionError || res.ErrorType != "Runtime.UserException" {
			t.Errorf("%+v", res)
		}
		if want := `{"errorMessage":"bad order","errorType":"example.Functions$OrderException","stackTrace":["example.Functions$Errors.deeper(Functions.java:`; !strings.HasPrefix(string(res.Body), want) {
			t.Errorf("%s", res.Body)
		}
		if e := runtimestest.Parse(t, res.Body); len(e.StackTrace) != 3 || !strings.HasPrefix(e.StackTrace[1], "example.Functions$Errors.handleRequest(Functions.java:") {
			t.Errorf("%q", e.StackTrace)
		}
		f.WaitLog(`"message":"bad order: example.Functions$OrderException\nexample.Functions$OrderException: bad order\n\tat example.`, `Caused by: java.io.IOException: disk`,
			`"level":"ERROR","AWSRequestId":"err-1"}`)
		for event, want := range map[string][2]string{
			"null": {"java.lang.NullPointerException", "java.lang.NullPointerException"}, "error": {"java.lang.AssertionError", "an error"},
			"stack": {"java.lang.StackOverflowError", "java.lang.StackOverflowError"}, "memory": {"java.lang.OutOfMemoryError", "Java heap space"},
			"result": {"java.lang.RuntimeException", "An error occurred during JSON serialization of response"},
		} {
			if e := runtimestest.Parse(t, f.Call(runtimestest.Quote(event)).Body); e.ErrorType != want[0] || e.ErrorMessage != want[1] {
				t.Errorf("%s: %+v", event, e)
			}
		}
		if e := runtimestest.Parse(t, f.Call(`{}`).Body); e.ErrorMessage != "An error occurred during JSON parsing" {
			t.Errorf("%+v", e)
		}
		f.Want(`"interrupt"`, `"interrupted"`)
		f.WaitIdle(2).Want(`"x"`, `"x"`)
	})
}

// In one thread, an error of the JVM itself ends the environment once it is reported.
func TestJVMErrorEndsOrdinaryFunction(t *testing.T) {
	f := run(t, "Errors", options{MemoryMB: 256}).WaitReady()
	if e := runtimestest.Parse(t, f.Call(`"memory"`).Body); e.ErrorType != "java.lang.OutOfMemoryError" {
		t.Errorf("%+v", e)
	}
	f.WantExit(0)
}

func TestInitErrors(t *testing.T) {
	const bad = "example.Functions$"
	for _, tt := range []struct{ handler, kind, message, log string }{
		{"example.Nothing", "java.lang.ClassNotFoundException", "Class not found: example.Nothing", ""},
		{"", "", "Invalid handler: `'", ""},
		{"::x", "", "Invalid handler: `::x'", ""},
		{bad + "BadConstructor", "java.lang.IllegalStateException", "not today", "at example.Functions$BadConstructor.<init>"},
		{bad + "BadStatic", "java.lang.ExceptionInInitializerError", "Error loading class example.Functions$BadStatic", `NumberFormatException: For input string: \"x\"`},
		{bad + "NoConstructor", "java.lang.Exception", "Class example.Functions$NoConstructor has no public zero-argument constructor", ""},
		{bad + "NoTypes", "", "Class example.Functions$NoTypes does not implement RequestHandler with concrete type parameters: parameter T has no upper bound.", ""},
		{bad + "Raw", "", "Class example.Functions$Raw does not implement RequestHandler with concrete type parameters", ""},
		{bad + "NoHandler", "", "Class does not implement an appropriate handler interface: example.Functions$NoHandler", ""},
		{bad + "Methods::nothing", "", "No public method named nothing with appropriate method signature found on class example.Functions$Methods", ""},
		{bad + "Methods::odd", "", "No public method named odd with appropriate method signature found on class example.Functions$Methods", ""},
		{bad + "Methods::hidden", "", "No public method named hidden with appropriate method signature found on class example.Functions$Methods", ""},
	} {
		t.Run(tt.handler, func(t *testing.T) {
			o := options{Handler: tt.handler, Slots: 4}
			if tt.handler == "" {
				o.Handler = " "
				tt.kind, tt.message = "java.lang.ClassNotFoundException", "Class not found:  "
			}
			f := run(t, "", o)
			if e := f.WantInitError(tt.kind); e.ErrorMessage != tt.message || e.StackTrace != nil {
				t.Errorf("%+v", e)
			}
			if kind := f.InitError().Type; kind != "Runtime.BadFunctionCode" {
				t.Errorf("type %s", kind)
			}
			f.WantExit(1)
			f.WaitLog(`"level":"ERROR"`, tt.message, tt.log)
		})
	}
	f := run(t, "ExitsInInit", options{Slots: 4})
	f.WantExit(3)
}

// A handler that ends the process ends the environment, with all its invocations.
func TestExit(t *testing.T) {
	for event, code := range map[string]int{"exit": 7, "halt": 8} {
		f := run(t, "Exits", options{Slots: 2}).WaitReady().WaitIdle(2)
		answers := make(chan runtimeapi.Result, 2)
		go func() { answers <- f.Call(`"20000"`) }()
		f.WaitIdle(1)
		go func() { answers <- f.Call(runtimestest.Quote(event)) }()
		f.WantExit(code)
		f.Fail(f.Process.Exit().Fault()) // as the agent does
		for range 2 {
			if res := <-answers; res.ErrorType != "Runtime.ExitError" {
				t.Errorf("%s: %+v", event, res)
			}
		}
	}
}

func TestTimeoutLeavesOthersAlone(t *testing.T) {
	f := run(t, "Exits", options{Slots: 2, Late: runtimeapi.LateGone}).WaitReady().WaitIdle(2)
	res := f.Call(`"600"`, func(inv *runtimeapi.Invocation) { inv.Timeout = 100 * time.Millisecond })
	if res.Status != runtimeapi.StatusTimeout {
		t.Errorf("%+v", res)
	}
	f.Want(`"0"`, `"slept"`)
	f.WaitLog("InvokeTimeout", "answered 410")
	f.WaitIdle(2)
	f.Want(`"0"`, `"slept"`)
}

func TestJSONLogs(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		f := run(t, "Logs", options{Runtime: jvm, Slots: 2}).WaitReady()
		f.Call(`"e"`, func(inv *runtimeapi.Invocation) { inv.RequestID, inv.TenantID = "log-1", "ten" })
		f.WaitLog(`"message":"during init","level":"UNDEFINED"}`)
		var line map[string]any
		if err := json.Unmarshal([]byte(f.WaitLog(`two\nlines`)), &line); err != nil {
			t.Fatal(err)
		}
		stamp, _ := line["timestamp"].(string)
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", stamp); err != nil {
			t.Error(err)
		}
		delete(line, "timestamp")
		want := map[string]any{"level": "WARN", "message": "two\nlines \"ä\" 😀", "AWSRequestId": "log-1", "tenantId": "ten"}
		if fmt.Sprint(line) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", line, want)
		}
		for _, message := range []string{"plain e", "from another thread e"} {
			f.WaitLog(`"message":"` + message + `","level":"UNDEFINED","AWSRequestId":"log-1","tenantId":"ten"}`)
		}
		f.WaitLog(`"message":"by the runtime e","level":"INFO","AWSRequestId":"log-1","tenantId":"ten"}`)
		for _, whole := range []string{"out e", "err e", strings.Repeat("y", 100000), "no newline"} {
			f.WaitLog(`"message":"` + whole + `","level":"INFO","AWSRequestId":"log-1","tenantId":"ten"}`)
		}
		f.WaitLines(1, func(line string) bool { return line == "some bytes" })
		f.WaitLines(1, func(line string) bool { return line == `{"own":"e"}` })
		f.WantNoLog("not shown")
	})
}

func TestTextLogs(t *testing.T) {
	f := run(t, "Logs", options{Text: true}).WaitReady()
	f.Call(`"e"`)
	for _, whole := range []string{"plain e", "[WARN] two\xfflines \"ä\" 😀", "[INFO] by the runtime e", "some bytes", "out e", "err e", strings.Repeat("y", 100000), "no newline"} {
		f.WaitLines(1, func(line string) bool { return line == whole })
	}
	f = run(t, "Errors", options{Text: true}).WaitReady()
	f.Call(`"deep"`)
	f.WaitLog("bad order: example.Functions$OrderException\xffexample.Functions$OrderException: bad order\xff\tat example.Functions$Errors.deeper(")
}

func TestLinesOfThreadsDoNotMix(t *testing.T) {
	const slots = 8
	f := run(t, "Lines", options{Slots: slots}).WaitReady().WaitIdle(slots)
	f.WaitLog("Starting")
	var wg sync.WaitGroup
	for i := range slots {
		wg.Go(func() { f.Call(fmt.Sprintf(`"%c"`, 'a'+i), runtimestest.ID(string(rune('a'+i)))) })
	}
	wg.Wait()
	good := func(line string) bool {
		var event struct{ Message, AWSRequestID string }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			return false
		}
		n := len(event.Message)
		return (n == 2 || n == 20000) && event.Message == strings.Repeat(event.AWSRequestID, n)
	}
	for _, line := range f.WaitLines(slots*40, good) {
		if !good(line) && !strings.Contains(line, "Starting") {
			t.Fatalf("mixed line of %d bytes: %.60q", len(line), line)
		}
	}
}

func TestClassPathAndPlace(t *testing.T) {
	onEach(t, func(t *testing.T, jvm string) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(functions(t))); err != nil {
			t.Fatal(err)
		}
		source := filepath.Join(t.TempDir(), "Library.java")
		if err := os.WriteFile(source, []byte("package org.example;\npublic class Library { public static String hello() { return \"from a library\"; } }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		library := jarOf(t, compile(t, release, "", source), "Manifest-Version: 1.0\n\n")
		core, err := os.ReadFile("core.jar") // functions bring AWS's own
		if err != nil {
			t.Fatal(err)
		}
		f := run(t, "Place", options{Runtime: jvm, Slots: 1, Packages: dir, Files: map[string]string{"lib/z.jar": string(library), "lib/core.jar": string(core)},
			Env: map[string]string{"MINE": "1", "_HIDDEN": "x", "JAVA_TOOL_OPTIONS": "-Dmine=set"}}).WaitReady()
		if f.Process.PID() <= 0 {
			t.Skip("no sandbox of our own here")
		}
		want := `["/var/task","AWS_Lambda_` + jvms()[jvm].Runtime + `","1","sbx_user1051","/var/lang/bin/java",1,`
		res := f.Call(`{}`)
		if !strings.HasPrefix(string(res.Body), want) || !strings.HasSuffix(string(res.Body), `,"set","true","ClassNotFoundException","from a library"]`) {
			t.Errorf("%s, want %s", res.Body, want)
		}
	})
}

func TestSigtermEndsAll(t *testing.T) {
	for _, slots := range []int{0, 4} {
		f := run(t, "Echo", options{Slots: slots}).WaitReady()
		f.Process.Signal(syscall.SIGTERM)
		f.WantExit(143)
	}
}
