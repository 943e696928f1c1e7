package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

func TestLinesOfOrdinaryFunctions(t *testing.T) {
	const at = 1732000000123
	runtimeARN := lamina.RuntimeVersionARN("us-east-1", "python3.13")
	ms := time.Millisecond
	ok := record{kind: invokeReport, requestID: "id", status: "success", duration: 2*ms + 41*time.Microsecond, ended: &ended{memory: 36 << 20}}
	first := ok
	first.ended = &ended{memory: 36 << 20, init: 96*ms + 550*time.Microsecond}
	timeout := record{kind: invokeReport, requestID: "id", status: "timeout", errorType: "Sandbox.Timedout", duration: 3000 * ms, ended: &ended{memory: 30 << 20, words: timedOut(3 * time.Second)}}
	exit := record{kind: invokeReport, requestID: "id", status: "failure", errorType: "Runtime.ExitError", duration: 5 * ms, ended: &ended{memory: 30 << 20, words: "RequestId: id Error: Runtime exited with error: exit status 1"}}
	fault := record{kind: invokeReport, requestID: "id", status: "error", errorType: "Runtime.Unknown", duration: 5 * ms, ended: &ended{}}
	of := func(r record, k kind) record { r.kind = k; return r }
	for _, tt := range []struct {
		name string
		r    record
		text string
		json string
	}{
		{"environment", record{kind: initStart}, "INIT_START Runtime Version: python:3.13.v1\tRuntime Version ARN: " + runtimeARN,
			`{"time":"2024-11-19T07:06:40.123Z","type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"python:3.13.v1","runtimeVersionArn":"` + runtimeARN +
				`","functionName":"f","functionVersion":"$LATEST","instanceId":"stream","instanceMaxMemory":134217728}}`},
		{"start", record{kind: invokeStart, requestID: "id", functionARN: "arn"}, "START RequestId: id Version: $LATEST", `{"time":"2024-11-19T07:06:40.123Z","type":"platform.start","record":{"requestId":"id","functionArn":"arn","version":"$LATEST"}}`},
		{"end", of(ok, invokeDone), "END RequestId: id", `{"time":"2024-11-19T07:06:40.123Z","type":"platform.runtimeDone","record":{"requestId":"id","status":"success","metrics":{"durationMs":2.041}}}`},
		{"end with an answer", record{kind: invokeDone, requestID: "id", status: "success", duration: 2 * ms, spans: &spans{time.UnixMilli(at), 2 * ms, 0}, ended: &ended{produced: 17}},
			"END RequestId: id", `{"time":"2024-11-19T07:06:40.123Z","type":"platform.runtimeDone","record":{"requestId":"id","status":"success","metrics":{"durationMs":2,"producedBytes":17},"spans":[` +
				`{"name":"responseLatency","start":"2024-11-19T07:06:40.123Z","durationMs":2},{"name":"responseDuration","start":"2024-11-19T07:06:40.125Z","durationMs":0}]}}`},
		{"report", ok, "REPORT RequestId: id\tDuration: 2.04 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t",
			`{"time":"2024-11-19T07:06:40.123Z","type":"platform.report","record":{"requestId":"id","status":"success","metrics":{"durationMs":2.041,"billedDurationMs":3,"memorySizeMB":128,"maxMemoryUsedMB":36}}}`},
		{"cold", first, "REPORT RequestId: id\tDuration: 2.04 ms\tBilled Duration: 99 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 96.55 ms\t",
			`{"time":"2024-11-19T07:06:40.123Z","type":"platform.report","record":{"requestId":"id","status":"success","metrics":{"durationMs":2.041,"billedDurationMs":99,"memorySizeMB":128,"maxMemoryUsedMB":36,"initDurationMs":96.55}}}`},
		{"timed out", of(timeout, invokeDone), "2024-11-19T07:06:40.123Z id Task timed out after 3.00 seconds\nEND RequestId: id", ""},
		{"timeout's report", timeout, "REPORT RequestId: id\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tStatus: timeout\t", ""},
		{"exited", of(exit, invokeDone), "RequestId: id Error: Runtime exited with error: exit status 1\nRuntime.ExitError\nEND RequestId: id", ""},
		{"exit's report", exit, "REPORT RequestId: id\tDuration: 5.00 ms\tBilled Duration: 5 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tStatus: error\tError Type: Runtime.ExitError\t", ""},
		{"function's error", fault, "REPORT RequestId: id\tDuration: 5.00 ms\tBilled Duration: 5 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\t", ""},
		{"init", record{kind: initReport, status: "success", duration: ms}, "", ""},
		{"init failed", record{kind: initReport, status: "error", errorType: "Runtime.ImportModuleError", duration: ms}, "INIT_REPORT Init Duration: 1.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError", ""},
		{"second init", record{kind: initReport, status: "timeout", phase: phaseInvoke, duration: ms}, "INIT_REPORT Init Duration: 1.00 ms\tPhase: invoke\tStatus: timeout", ""},
	} {
		spec := wire.EnvironmentSpec{Function: "f", Runtime: "python3.13", Region: "us-east-1", LogStream: "stream", Qualifier: "$LATEST", MemoryMB: 128, LogFormat: "Text"}
		if got := strings.Join(tt.r.lines(&spec, at), "\n"); got != tt.text {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.text)
		}
		spec.LogFormat = "JSON"
		if got := strings.Join(tt.r.lines(&spec, at), "\n"); tt.json != "" && got != tt.json {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.json)
		}
	}
}

func TestTailKeepsTheLastBytes(t *testing.T) {
	var tail logTail
	var all string
	for i := range 1000 {
		line := strings.Repeat(string(rune('a'+i%26)), i%100)
		tail.add(line)
		all += line + "\n"
		if want := all[max(0, len(all)-tailBytes):]; string(tail.end()) != want {
			t.Fatalf("after %d lines: %q, want %q", i+1, tail.end(), want)
		}
	}
	if cap(tail.b) > 16*tailBytes {
		t.Errorf("the tail holds %d bytes", cap(tail.b))
	}
}

// TestFlood: what a flooding environment gets through is bounded, and a quiet second makes it whole again.
func TestFlood(t *testing.T) {
	var f flood
	const line = 1 << 10
	through := func(from, to int64) (n int) { // 1 GiB a second
		for at := from; at < to; at++ {
			for range 1 << 20 / 1000 {
				if f.admits(at, line) {
					n += line
				}
			}
		}
		return n
	}
	const start = 1_800_000_000_000
	if n := through(start, start+1000); n > maxPending+floodBytes || n < floodBytes {
		t.Errorf("%d bytes in the first second", n)
	}
	if n := through(start+1000, start+2000); n > floodBytes+line || n < floodBytes-line {
		t.Errorf("%d bytes in the second", n)
	}
	if !f.admits(start+2001, line) || !f.admits(start+1, line) {
		t.Error("a line a moment later, or by a clock that went back, is refused")
	}
	for n := range maxPending / line {
		if !f.admits(start+5000, line) {
			t.Fatalf("line %d of a burst after a rest is refused", n)
		}
	}
}
