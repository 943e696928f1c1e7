package agent

import (
	"cmp"
	"context"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/sandbox"
)

// How long an environment with extensions may take to end. All of it with
// external ones (AWS: "Lambda execution environment lifecycle", and
// runtime-api.md 1.7), of which the runtime has the first part. With internal
// ones alone, ordinary functions have AWS's 500 ms.
const (
	shutdownBudget    = 2 * time.Second
	termGrace         = 600 * time.Millisecond
	ordinaryTermGrace = 500 * time.Millisecond
)

// Reasons of a SHUTDOWN event.
const (
	reasonSpindown = "spindown"
	reasonTimeout  = "timeout" // ordinary functions only
	reasonFailure  = "failure"
)

// shutDown ends the environment's processes. Only one with a registered
// extension is told before, as on AWS: the runtime by a signal, extensions
// that asked for it by an event.
func (e *environment) shutDown(f *fault) {
	defer e.proc.Kill()
	external := len(e.external.procs) > 0
	if e.api().Extensions() == 0 && !external {
		return
	}
	deadline := time.Now().Add(shutdownBudget)
	if external {
		e.api().Fail("Client.ExecutionEnvironmentShutDown", "the execution environment was shut down")
	}
	if e.runtime != nil {
		grace := termGrace
		if !external && !e.spec.Managed {
			grace = ordinaryTermGrace
		}
		terminate(e.runtime, grace)
	}
	if external {
		e.shutDownExtensions(shutdownReason(f, e.overtime.Load()), deadline)
	}
}

func shutdownReason(f *fault, overtime bool) string {
	switch {
	case overtime:
		return reasonTimeout
	case f != nil:
		return reasonFailure
	default:
		return reasonSpindown
	}
}

// terminate asks a process to end and kills it if it does not.
func terminate(p sandbox.Process, grace time.Duration) {
	if p.Signal(syscall.SIGTERM) != nil {
		return
	}
	limit := time.NewTimer(grace)
	defer limit.Stop()
	select {
	case <-p.Done():
	case <-limit.C:
		p.Kill()
	}
}

// shutDownExtensions lets external extensions end by themselves until deadline.
func (e *environment) shutDownExtensions(reason string, deadline time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	e.api().FlushTelemetry(ctx)
	for _, name := range e.api().Shutdown(reason, deadline) {
		if p := e.external.procs[name]; p != nil {
			p.Kill()
		}
	}
	for _, p := range e.external.procs {
		select {
		case <-p.Done():
		case <-ctx.Done():
		}
	}
}

// extensionFault reads what an extension posted to init/error or exit/error, or
// what was found out about its process.
func extensionFault(posted runtimeapi.InitError) *fault {
	code := lamina.ReasonExtensionInit
	switch posted.Type {
	case errorPermissionDenied:
		code = lamina.ReasonPermissionDenied
	case errorTooManyExtensions:
		code = lamina.ReasonTooManyExtensions
	}
	return &fault{code: code, errorType: posted.Type, text: cmp.Or(errorMessage(posted.Body), "An extension reported "+posted.Type)}
}
