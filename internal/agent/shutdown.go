package agent

import (
	"encoding/json"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
)

// termGrace is how long a runtime may take to end when an extension is
// registered (runtime-api.md 1.7).
const termGrace = 600 * time.Millisecond

// shutDown ends the environment's processes. Only one with a registered
// extension is told before, as on AWS.
func (e *environment) shutDown() {
	defer e.proc.Kill()
	if e.api().Extensions() == 0 || e.proc.Signal(syscall.SIGTERM) != nil {
		return
	}
	limit := time.NewTimer(termGrace)
	defer limit.Stop()
	select {
	case <-e.proc.Done():
	case <-limit.C:
	}
}

// reasonExtensionInit is AWS's, lmi-service.md 1.5.
const reasonExtensionInit = "FunctionError.ExtensionInitError"

// extensionFault reads what an extension posted to init/error or exit/error.
func extensionFault(posted runtimeapi.InitError) *fault {
	var body struct {
		ErrorMessage string `json:"errorMessage"`
	}
	_ = json.Unmarshal(posted.Body, &body) // an unreadable body leaves the type alone
	f := &fault{code: reasonExtensionInit, errorType: posted.Type, text: body.ErrorMessage}
	if f.text == "" {
		f.text = "An extension reported " + f.errorType
	}
	return f
}
