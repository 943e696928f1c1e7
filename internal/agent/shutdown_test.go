package agent_test

import (
	"testing"

	"github.com/lamina-dev/lamina/internal/wire"
)

// TestSIGTERM: aws-lambda-go's WithEnableSIGTERM registers an internal
// extension, so that its process is told before it is killed; one without is not.
func TestSIGTERM(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	told, untold := goSpec(t, s, 4), goSpec(t, s, 4)
	told.Variables = map[string]string{"SIGTERM": "yes"}
	s.assign(told, untold)
	s.waitState(told.ID, wire.EnvironmentReady)
	s.waitState(untold.ID, wire.EnvironmentReady)
	overlap(t, s, told.ID, 4, func(token string) string { return `{"token": "` + token + `"}` })
	s.assign()
	s.waitLine(told.ID, "told to end")
}

// TestExtensionInitError: an extension that can't start fails the environment
// with what it reported.
func TestExtensionInitError(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := pythonSpec(t, s, 1, `
import http.client, json, os
def call(path, body, **headers):
    c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    c.request("POST", "/2020-01-01/extension/" + path, json.dumps(body), headers)
    return c.getresponse()
who = call("register", {"events": []}, **{"Lambda-Extension-Name": "x"}).getheader("Lambda-Extension-Identifier")
call("init/error", {"errorMessage": "no key"}, **{"Lambda-Extension-Identifier": who, "Lambda-Extension-Function-Error-Type": "Extension.NoKey"})
import time; time.sleep(60)
`)
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentEnded)
	if st := s.status(e.ID); st.ReasonCode != "FunctionError.ExtensionInitError" || st.ErrorType != "Extension.NoKey" || st.Reason != "no key" {
		t.Errorf("%+v", st)
	}
}
