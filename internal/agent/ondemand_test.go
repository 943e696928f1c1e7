package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

// onDemandSpec is an ordinary function's environment.
func onDemandSpec(t *testing.T, s *server, app string) wire.EnvironmentSpec {
	e := pythonSpec(t, s, 1, app)
	e.Managed, e.LogFormat, e.SysLogLevel, e.Timeout = false, "Text", "", 3*time.Second
	return e
}

const slowInitApp = `
import os, time
print("init")
time.sleep(float(os.environ["SLOW"]))
def handler(event, context):
    print("handled")
    time.sleep(event.get("sleep", 0))
    return {"left": context.get_remaining_time_in_millis()}
`

// TestSecondInitTakesTheInvocationsTime: an init phase that took too long starts
// anew, and the first invocation has what that leaves of its time.
func TestSecondInitTakesTheInvocationsTime(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := onDemandSpec(t, s, slowInitApp)
	e.InitTimeout, e.Timeout, e.Variables = 300*time.Millisecond, 20*time.Second, map[string]string{"SLOW": "1"}
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r1", Timeout: e.Timeout, Tail: true, Body: []byte("{}")})
	if err != nil || out.Outcome != wire.OutcomeOK {
		t.Fatalf("%v %+v", err, out)
	}
	if left := number(t, out.body); left > 19_000 {
		t.Errorf("%d ms are left of 20 s after an init of 1 s", left)
	}
	if strings.Contains(out.LogTail, "Init Duration") || !strings.Contains(out.LogTail, "\tBilled Duration: 1") {
		t.Errorf("%q", out.LogTail) // over a second, init included
	}
	s.waitLine(e.ID, "INIT_REPORT Init Duration: ", "Phase: init\tStatus: timeout")
	out, err = s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r2", Timeout: e.Timeout, Body: []byte("{}")})
	if err != nil || number(t, out.body) < 19_000 || out.LogTail != "" {
		t.Errorf("the second call: %v %+v", err, out)
	}
}

// TestFailedInitIsItsInvocations: the invocation that an environment was started
// for has the init's error as its answer, and its lines, with the second init's
// time. Nothing of the environment is left then.
func TestFailedInitIsItsInvocations(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	for name, tt := range map[string]struct{ app, errorType, body, words string }{
		"reported": {"import nothing_here", "Runtime.ImportModuleError", `"errorMessage": "Unable to import module 'app'`, ""},
		"exit": {"import os\nos._exit(3)", "Runtime.ExitError", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r1 Error: Runtime exited with error: exit status 3"}`,
			"RequestId: r1 Error: Runtime exited with error: exit status 3\nRuntime.ExitError\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e := onDemandSpec(t, s, tt.app)
			e.ID = "i-1/" + name
			s.assign(e)
			s.waitState(e.ID, wire.EnvironmentReady)
			out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r1", Timeout: e.Timeout, Tail: true, Body: []byte("{}")})
			if err != nil || out.Outcome != wire.OutcomeFunctionError || out.ErrorType != tt.errorType || !strings.Contains(out.body, tt.body) {
				t.Errorf("%v %+v", err, out)
			}
			begins := "START RequestId: r1 Version: 1\n" + tt.words + "END RequestId: r1\nREPORT RequestId: r1\tDuration: "
			if !strings.HasPrefix(out.LogTail, begins) || strings.HasPrefix(out.LogTail, begins+"0.") || !strings.HasSuffix(out.LogTail, "\tStatus: error\tError Type: "+tt.errorType+"\t\n") {
				t.Errorf("%q", out.LogTail)
			}
			s.waitLine(e.ID, "INIT_REPORT Init Duration: ", "Phase: init\tStatus: error\tError Type: "+tt.errorType)
			s.waitLine(e.ID, "INIT_REPORT Init Duration: ", "Phase: invoke\tStatus: error\tError Type: "+tt.errorType)
			if st := s.waitState(e.ID, wire.EnvironmentEnded); !st.Told || st.ErrorType != tt.errorType {
				t.Errorf("%+v", st)
			}
			if lines := s.linesOf(e.ID); !before(lines, "Phase: invoke", "START RequestId") {
				t.Errorf("%q", lines)
			}
		})
	}
}

func number(t *testing.T, body string) (n int) {
	t.Helper()
	for _, c := range body {
		if c >= '0' && c <= '9' {
			n = 10*n + int(c-'0')
		}
	}
	return n
}

// TestSecondInitEndsWithTheFunctionsTimeout, and so does the invocation.
func TestSecondInitEndsWithTheFunctionsTimeout(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := onDemandSpec(t, s, slowInitApp)
	e.InitTimeout, e.Timeout, e.Variables = 200*time.Millisecond, time.Second, map[string]string{"SLOW": "60"}
	s.assign(e)
	st := s.waitState(e.ID, wire.EnvironmentEnded)
	if st.ErrorType != "Sandbox.Timedout" || st.Reason != "Task timed out after 1.00 seconds" {
		t.Errorf("%+v", st)
	}
	s.waitLine(e.ID, "INIT_REPORT Init Duration: ", "Phase: invoke\tStatus: timeout")
}

// TestTimeoutEndsAnOrdinaryEnvironment: the caller learns, the log tells, and
// nothing of the environment is left.
func TestTimeoutEndsAnOrdinaryEnvironment(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := onDemandSpec(t, s, slowInitApp)
	e.Timeout, e.Variables = time.Second, map[string]string{"SLOW": "0"}
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	out, err := s.router().invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: "r1", Timeout: e.Timeout, Tail: true, Body: []byte(`{"sleep":60}`)})
	if err != nil || out.ErrorType != "Sandbox.Timedout" || out.body != `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r1 Error: Task timed out after 1.00 seconds"}` {
		t.Errorf("%v %+v", err, out)
	}
	lines := strings.Split(out.LogTail, "\n")
	if len(lines) != 6 || lines[0] != "START RequestId: r1 Version: 1" || lines[1] != "handled" || !strings.HasSuffix(lines[2], "Z r1 Task timed out after 1.00 seconds") ||
		lines[3] != "END RequestId: r1" || !strings.HasPrefix(lines[4], "REPORT RequestId: r1\tDuration: 1") || !strings.HasSuffix(lines[4], "\tStatus: timeout\t") {
		t.Errorf("%q", out.LogTail)
	}
	if st := s.waitState(e.ID, wire.EnvironmentEnded); st.ReasonCode != "" {
		t.Errorf("%+v", st)
	}
}

// TestTailHoldsTheLinesOfItsInvocation: every line written before the answer,
// in order, none of another invocation's.
func TestTailHoldsTheLinesOfItsInvocation(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := onDemandSpec(t, s, "def handler(event, context):\n    for i in range(20): print(context.aws_request_id, i)\n")
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	r := s.router()
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		out, err := r.invoke(wire.Invoke{EnvironmentID: e.ID, RequestID: id, Timeout: e.Timeout, Tail: true, Body: []byte("{}")})
		lines := strings.Split(strings.TrimSuffix(out.LogTail, "\n"), "\n")
		if err != nil || len(lines) != 23 || lines[20] != id+" 19" || lines[21] != "END RequestId: "+id {
			t.Fatalf("%v %q", err, out.LogTail)
		}
		for _, line := range lines[1:21] {
			if !strings.HasPrefix(line, id+" ") {
				t.Errorf("%s has the line %q", id, line)
			}
		}
	}
}
