package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lamina-dev/lamina/examples/setup"
)

const ordinaryPython = `
import json, os, time
def handler(event, context):
    print("said", event.get("say"))
    if "exit" in event:
        os._exit(event["exit"])
    if "fail" in event:
        raise ValueError(event["fail"])
    time.sleep(event.get("sleep", 0))
    if "size" in event:
        return "x" * event["size"]
    client = context.client_context
    return {"stream": context.log_stream_name, "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "custom": client.custom if client else None, "left": context.get_remaining_time_in_millis()}
`

// ordinary is a function without a capacity provider.
func (p place) ordinary(t *testing.T, name, source string, change func(*lambda.CreateFunctionInput)) {
	t.Helper()
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Role: &p.execution, Runtime: types.RuntimePython313, Handler: aws.String("app.handler"),
		Code: &types.FunctionCode{ZipFile: pythonCode(t, source)}, Timeout: aws.Int32(2), MemorySize: aws.Int32(256),
	}
	if change != nil {
		change(in)
	}
	if _, err := p.Lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := lambda.NewFunctionActiveV2Waiter(p.Lambda, func(o *lambda.FunctionActiveV2WaiterOptions) { o.MinDelay = 50 * time.Millisecond }).
		Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, activeLimit); err != nil {
		t.Fatal(err)
	}
}

// ran is one invocation's answer.
type ran struct {
	*lambda.InvokeOutput
	log  string
	body struct {
		Stream       string
		Trace        string
		Custom       map[string]string
		Left         int
		ErrorType    string
		ErrorMessage string
	}
}

func (p place) run(t *testing.T, name, event string, change func(*lambda.InvokeInput)) ran {
	t.Helper()
	in := &lambda.InvokeInput{FunctionName: &name, Payload: []byte(event), LogType: types.LogTypeTail}
	if change != nil {
		change(in)
	}
	out, err := p.Lambda.Invoke(t.Context(), in)
	if err != nil {
		t.Fatalf("%s of %s: %v", event, name, err)
	}
	r := ran{InvokeOutput: out}
	if out.LogResult != nil {
		log, err := base64.StdEncoding.DecodeString(*out.LogResult)
		if err != nil {
			t.Fatal(err)
		}
		r.log = string(log)
	}
	_ = json.Unmarshal(out.Payload, &r.body) // not all are objects
	return r
}

var report = regexp.MustCompile(`REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: [1-9]\d* MB\t(Init Duration: [\d.]+ ms\t)?(Status: timeout\t|Status: error\tError Type: Runtime.ExitError\t)?\n$`)

func TestOrdinaryFunction(t *testing.T) {
	needPython(t)
	p := makeGround(t, up(t))
	p.ordinary(t, "f", ordinaryPython, nil)

	cold := p.run(t, "f", `{"say":"one"}`, nil)
	want := regexp.MustCompile(`^START RequestId: (\S+) Version: \$LATEST\nsaid one\nEND RequestId: (\S+)\n` + report.String())
	m := want.FindStringSubmatch(cold.log)
	if m == nil || m[1] != m[2] || m[3] == "" || *cold.ExecutedVersion != "$LATEST" || cold.FunctionError != nil {
		t.Errorf("the first call: %q, %+v", cold.log, cold.InvokeOutput)
	}
	warm := p.run(t, "f", `{"say":"two"}`, nil)
	if m := want.FindStringSubmatch(strings.Replace(warm.log, "said two", "said one", 1)); m == nil || m[3] != "" || warm.body.Stream != cold.body.Stream {
		t.Errorf("the second call: %q, %s after %s", warm.log, warm.body.Stream, cold.body.Stream)
	}
	t.Run("timeout", func(t *testing.T) {
		r := p.run(t, "f", `{"sleep":10}`, nil)
		if *r.FunctionError != "Unhandled" || r.body.ErrorType != "Sandbox.Timedout" || !strings.HasSuffix(r.body.ErrorMessage, "Task timed out after 2.00 seconds") ||
			!strings.Contains(r.log, " Task timed out after 2.00 seconds\nEND") || !strings.Contains(r.log, "\tDuration: 2000.00 ms\t") || !strings.Contains(r.log, "\tStatus: timeout\t\n") {
			t.Errorf("%s %q", r.Payload, r.log)
		}
		gone(t, p, warm.body.Stream)
	})
	t.Run("one request per environment", func(t *testing.T) { oneEach(t, p) })
	t.Run("one environment per request", func(t *testing.T) { oneStart(t, p) })
	t.Run("exit", func(t *testing.T) {
		r := p.run(t, "f", `{"exit":3}`, nil)
		if *r.FunctionError != "Unhandled" || r.body.ErrorType != "Runtime.ExitError" || !strings.HasSuffix(r.body.ErrorMessage, "Runtime exited with error: exit status 3") || !report.MatchString(r.log) {
			t.Errorf("%s %q", r.Payload, r.log)
		}
		p.run(t, "f", `{}`, nil)
	})
	t.Run("failure", func(t *testing.T) {
		r := p.run(t, "f", `{"fail":"no"}`, nil)
		if *r.FunctionError != "Unhandled" || r.body.ErrorType != "ValueError" || r.body.ErrorMessage != "no" || !strings.Contains(r.log, "[ERROR] ValueError: no") || !report.MatchString(r.log) {
			t.Errorf("%s %q", r.Payload, r.log)
		}
	})
	t.Run("context and trace", func(t *testing.T) { contextAndTrace(t, p) })
	t.Run("large answers", func(t *testing.T) {
		if r := p.run(t, "f", `{"size":6000000}`, nil); r.FunctionError != nil || len(r.Payload) != 6000002 {
			t.Errorf("%d bytes, %v", len(r.Payload), r.FunctionError)
		}
		r := p.run(t, "f", `{"size":6291560}`, nil)
		if r.FunctionError == nil || r.body.ErrorType != "Function.ResponseSizeTooLarge" || !strings.Contains(r.body.ErrorMessage, "6291562 bytes") {
			t.Errorf("%.200s", r.Payload)
		}
	})
	t.Run("tail is 4 KiB", func(t *testing.T) {
		if r := p.run(t, "f", `{"say":"`+strings.Repeat("long ", 2000)+`"}`, nil); len(r.log) != 4096 || !report.MatchString(r.log) {
			t.Errorf("%d bytes: %q", len(r.log), r.log)
		}
	})
	t.Run("log group", func(t *testing.T) { logGroup(t, p, cold.body.Stream) })
	t.Run("reserved concurrency", func(t *testing.T) { reserved(t, p) })
}

// oneEach: two calls at once are two environments.
func oneEach(t *testing.T, p place) {
	answers := make(chan ran, 2)
	for range 2 {
		go func() { answers <- p.run(t, "f", `{"sleep":0.7}`, nil) }() // both end below
	}
	a, b := <-answers, <-answers
	if a.body.Stream == b.body.Stream {
		t.Errorf("both calls ran in %s", a.body.Stream)
	}
}

// oneStart: a cold call starts one environment, however long it takes.
func oneStart(t *testing.T, p place) {
	p.ordinary(t, "slow", ordinaryPython, nil)
	p.run(t, "slow", `{"sleep":1}`, nil)
	p.run(t, "slow", `{"say":"last"}`, nil)
	group := "/aws/lambda/slow"
	var streams []string
	until(t, 10*time.Second, "the second call is in the log", func() bool {
		out, err := p.Logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
		if err != nil {
			return false
		}
		said := false
		streams = nil
		for _, e := range out.Events {
			said = said || *e.Message == "said last\n" || *e.Message == "said last"
			if strings.HasPrefix(*e.Message, "INIT_START") {
				streams = append(streams, *e.LogStreamName)
			}
		}
		return said
	})
	if len(streams) != 1 {
		t.Errorf("%d environments for two calls one after the other", len(streams))
	}
}

// gone: only the environments that another call used are left.
func gone(t *testing.T, p place, before string) {
	seen := map[string]bool{}
	for range 3 {
		r := p.run(t, "f", `{}`, nil)
		if r.FunctionError != nil {
			t.Errorf("after a timeout: %s", r.Payload)
		}
		seen[r.body.Stream] = true
	}
	if seen[before] {
		t.Errorf("the environment of the timeout was used again: %v", seen)
	}
}

func contextAndTrace(t *testing.T, p place) {
	const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
	r := p.run(t, "f", `{}`, func(in *lambda.InvokeInput) {
		in.ClientContext = aws.String(base64.StdEncoding.EncodeToString([]byte(`{"custom":{"a":"b"}}`)))
	})
	if r.body.Custom["a"] != "b" || !strings.HasPrefix(r.body.Trace, "Root=1-") {
		t.Errorf("%s", r.Payload)
	}
	long := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(" "), 2688)) // 3584 bytes
	_, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), ClientContext: &long})
	if code(err) != "InvalidRequestContentException" {
		t.Errorf("a client context of 3584 bytes: %v", err)
	}
	out, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f")},
		lambda.WithAPIOptions(smithyhttp.AddHeaderValue("X-Amzn-Trace-Id", trace)))
	if err != nil || !strings.Contains(string(out.Payload), trace) {
		t.Errorf("%s %v", out.Payload, err)
	}
}

func logGroup(t *testing.T, p place, stream string) {
	group := "/aws/lambda/f"
	until(t, 10*time.Second, "the first call is in the log", func() bool {
		out, err := p.Logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream, StartFromHead: aws.Bool(true)})
		if err != nil || len(out.Events) < 5 {
			return false
		}
		for i, want := range []string{"INIT_START Runtime Version: ", "START RequestId: ", "said one", "END RequestId: ", "REPORT RequestId: "} {
			if !strings.HasPrefix(*out.Events[i].Message, want) {
				t.Fatalf("line %d is %q, want %q", i, *out.Events[i].Message, want)
			}
		}
		return true
	})
}

// reserved: with one reserved, a second call is refused while the first runs.
func reserved(t *testing.T, p place) {
	_, err := p.Lambda.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("f"), ReservedConcurrentExecutions: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := p.Lambda.GetAccountSettings(t.Context(), &lambda.GetAccountSettingsInput{})
	if err != nil || *settings.AccountLimit.UnreservedConcurrentExecutions != 999 {
		t.Errorf("%v %v", settings, err)
	}
	done := make(chan error, 1)
	go func() { // ends below; the other calls may have taken the one place
		for {
			_, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"sleep":1.5}`)})
			if _, refused := errors.AsType[*types.TooManyRequestsException](err); !refused {
				done <- err
				return
			}
		}
	}()
	until(t, 10*time.Second, "one call more is refused", func() bool {
		_, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f")})
		refused, ok := errors.AsType[*types.TooManyRequestsException](err)
		return ok && refused.Reason == types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded
	})
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := p.Lambda.DeleteFunctionConcurrency(t.Context(), &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String("f")}); err != nil {
		t.Error(err)
	}
}

func TestOrdinaryFunctionThatCannotStart(t *testing.T) {
	needPython(t)
	p := makeGround(t, up(t))
	p.ordinary(t, "f", "import nothing_of_that_name", nil)
	for range 2 {
		r := p.run(t, "f", `{}`, nil)
		if *r.FunctionError != "Unhandled" || r.body.ErrorType != "Runtime.ImportModuleError" || !strings.HasPrefix(r.body.ErrorMessage, "Unable to import module 'app'") {
			t.Errorf("%s", r.Payload)
		}
		if !regexp.MustCompile(`(?s)^START RequestId: .*END RequestId: .*REPORT RequestId: .*Status: error\tError Type: Runtime.ImportModuleError\t\n$`).MatchString(r.log) {
			t.Errorf("%q", r.log)
		}
	}
	p.ordinary(t, "json", ordinaryPython, func(in *lambda.CreateFunctionInput) {
		in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson}
	})
	r := p.run(t, "json", `{"say":"it"}`, nil)
	var kinds []string
	for line := range strings.Lines(r.log) {
		var event struct {
			Type   string
			Record struct{ Metrics map[string]float64 }
		}
		if json.Unmarshal([]byte(line), &event) == nil && event.Type != "" {
			kinds = append(kinds, event.Type)
		}
		if m := event.Record.Metrics; event.Type == "platform.report" && (m["billedDurationMs"] == 0 || m["memorySizeMB"] != 256 || m["maxMemoryUsedMB"] == 0 || m["initDurationMs"] == 0) {
			t.Errorf("%s", line)
		}
	}
	if strings.Join(kinds, " ") != "platform.start platform.report" {
		t.Errorf("%q", r.log)
	}
}

// Ordinary functions have a kernel of their own by default where gVisor is to be
// had, as AWS's have in micro-VMs; managed ones share the instance's.
func TestOrdinaryFunctionsHaveTheirOwnKernel(t *testing.T) {
	needProcFS(t)
	needPython(t)
	needRuntime(t, "runsc")
	p := makePlace(t, up(t))
	const source = "import os\ndef handler(event, context):\n    return os.uname().release\n"
	p.ordinary(t, "own", source, func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(128) })
	p.publish(t, p.pythonFunction(t, "shared", source))
	host, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	here := strconv.Quote(strings.TrimSpace(string(host)))
	for function, same := range map[string]bool{"own": false, "shared": true} {
		out, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(out.Payload); out.FunctionError != nil || (got == here) != same {
			t.Errorf("%s has the kernel %s, this machine %s", function, got, here)
		}
	}
}

const loggingPython = `
import json, os
def handler(event, context):
    os.write(1, b"raw \xfe byte\n")
    for level in ["DEBUG", "ERROR"]:
        print(json.dumps({"level": level, "timestamp": "2026-11-27T10:00:00Z", "message": level + " line"}))
    return {"custom": {"wrapped": os.environ.get("WRAPPED", "no")}}
`

// TestWrapperAndLogs checks what a function's wrapper script sets, and that its log
// has all lines but those below its level, whatever bytes are in them.
func TestWrapperAndLogs(t *testing.T) {
	needPython(t)
	p := makeGround(t, up(t))
	code, err := setup.Zip(map[string][]byte{"app.py": []byte(loggingPython), "wrapper": []byte("#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n")})
	if err != nil {
		t.Fatal(err)
	}
	p.ordinary(t, "f", "", func(in *lambda.CreateFunctionInput) {
		in.Code.ZipFile = code
		in.Environment = &types.Environment{Variables: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}}
		in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson, ApplicationLogLevel: types.ApplicationLogLevelWarn}
	})
	if r := p.run(t, "f", "{}", nil); r.body.Custom["wrapped"] != "yes" {
		t.Errorf("%s %q", r.Payload, r.log)
	}
	var log strings.Builder
	until(t, 10*time.Second, "the call is in the log", func() bool {
		out, err := p.Logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/f")})
		if err != nil {
			return false
		}
		log.Reset()
		for _, e := range out.Events {
			log.WriteString(*e.Message + "\n")
		}
		return strings.Contains(log.String(), "platform.report")
	})
	for _, want := range []string{"platform.start", "raw \uFFFD byte", "ERROR line"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "DEBUG line") {
		t.Errorf("a line below the function's level:\n%s", log.String())
	}
}

// TestEventOfManyLines: what a function logs at once is one event, its lines' ends
// and all, as on AWS.
func TestEventOfManyLines(t *testing.T) {
	needPython(t)
	p := makeGround(t, up(t))
	code, err := setup.Zip(map[string][]byte{"app.py": []byte("import logging\ndef handler(event, context):\n    logging.warning('two\\nlines')\n    raise ValueError('broke')\n")})
	if err != nil {
		t.Fatal(err)
	}
	p.ordinary(t, "f", "", func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = code })
	if _, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f")}); err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "two events of several lines", func() bool {
		out, err := p.Logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/f")})
		if err != nil {
			return false
		}
		found := 0
		for _, e := range out.Events {
			if strings.HasSuffix(*e.Message, "\ttwo\nlines") || strings.HasPrefix(*e.Message, "[ERROR] ValueError: broke\nTraceback (most recent call last):\n\u00a0\u00a0File ") {
				found++
			}
		}
		return found == 2
	})
}
