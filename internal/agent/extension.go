package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Error types of external extensions (runtime-api.md 1.7).
const (
	errorCrash             = "Extension.Crash"
	errorLaunch            = "Extension.LaunchError"
	errorPermissionDenied  = "PermissionDenied"
	errorTooManyExtensions = "Extension.TooManyExtensions"
)

// externals are the processes of the files in /opt/extensions.
type externals struct {
	names   []string
	dir     string   // where the environment sees them
	env     []string // their variables
	runtime sandbox.Command
	procs   map[string]sandbox.Process // set by startExtensions only
	ends    sync.WaitGroup             // of those who watch them
}

// extensionNames lists the files in /opt/extensions, which is the layers' or that
// of a root file system: every one that is no folder is to be started, in the
// order of their names.
func extensionNames(opt, root string) ([]string, error) {
	where, dir := opt, "extensions"
	if opt == "" {
		where, dir = root, "opt/extensions"
	}
	if where == "" {
		return nil, nil
	}
	tree, err := os.OpenRoot(where) // links in an image lead nowhere else
	if err != nil {
		return nil, fmt.Errorf("list the extensions: %w", err)
	}
	defer tree.Close()
	entries, err := fs.ReadDir(tree.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the extensions: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// prepareExtensions makes the sandbox one that runs several commands, if there
// are extensions; the runtime is then one of them.
func (e *environment) prepareExtensions(spec *sandbox.Spec, opt, api string) error {
	names, err := extensionNames(opt, spec.RootDir)
	e.external = &externals{names: names}
	if err != nil || len(names) == 0 {
		return err
	}
	l := e.a.cfg.Sandbox.Layout(*spec)
	e.external.dir = path.Join(l.Opt, "extensions")
	f, extra := e.function(api), []string(nil)
	if i := e.spec.Image; i != nil {
		f.Image, extra = true, runtimes.ImageVariables(i.Env)
	}
	e.external.env = runtimes.ExtensionEnvironment(f, runtimes.Layout(l), extra)
	e.external.runtime = sandbox.Command{Name: "runtime", Argv: spec.Argv, Env: spec.Env, WorkDir: spec.WorkDir, Log: spec.Log}
	spec.Init, spec.Argv, spec.Env, spec.WorkDir = true, nil, nil, ""
	e.api().ExpectExtensions(names)
	return nil
}

// startExtensions starts the external ones, waits until all have registered and
// starts the runtime.
func (e *environment) startExtensions(ctx context.Context, limit *time.Timer, p phase) *fault {
	if len(e.external.names) == 0 {
		return nil
	}
	e.external.procs = map[string]sandbox.Process{}
	if len(e.external.names) > runtimeapi.MaxExtensions {
		e.api().ExtensionNotStarted(e.external.names[runtimeapi.MaxExtensions], errorTooManyExtensions,
			fmt.Sprintf("There are %d files in /opt/extensions, of which at most %d may be", len(e.external.names), runtimeapi.MaxExtensions))
		return extensionFault(e.api().ExtensionError())
	}
	box, ok := e.proc.(sandbox.Executor)
	if !ok {
		return startFault(fmt.Errorf("this sandbox can't run extensions"))
	}
	for _, name := range e.external.names {
		if err := e.startExtension(ctx, box, name); err != nil {
			if ctx.Err() != nil {
				return nil // the environment's end, not the extension's fault
			}
			e.api().ExtensionNotStarted(name, launchErrorType(err), launchError(path.Join(e.external.dir, name), err))
			return extensionFault(e.api().ExtensionError())
		}
	}
	if f := e.await(ctx, e.api().ExtensionsRegistered(), limit, p); f != nil || ctx.Err() != nil {
		return f
	}
	runtime, err := box.Exec(ctx, e.external.runtime)
	if err != nil {
		return startFault(err)
	}
	e.mu.Lock()
	e.runtime, e.status.PID = runtime, runtime.PID()
	e.mu.Unlock()
	return nil
}

func (e *environment) startExtension(ctx context.Context, box sandbox.Executor, name string) error {
	p, err := box.Exec(ctx, sandbox.Command{
		Name: "extension-" + name, Argv: []string{path.Join(e.external.dir, name)}, Env: e.external.env, WorkDir: "/",
		Log: func(_ sandbox.Stream, line []byte) { e.logs.extensionLine(line) },
	})
	if err != nil {
		return err
	}
	e.external.procs[name] = p
	api := e.api()
	e.external.ends.Go(func() { // ends with the process, at the latest with the environment
		<-p.Done()
		api.ExtensionEnded(name, errorCrash, e.crashed(name, p.Exit()))
	})
	return nil
}

// crashed is what is said of an extension that has ended: of ordinary functions
// as on AWS (seen), of managed ones with its name (chosen).
func (e *environment) crashed(name string, exit sandbox.Exit) string {
	switch {
	case e.spec.Managed:
		return fmt.Sprintf("Extension %s exited: %s", name, exit)
	case exit.Signal != 0:
		return exit.String()
	default:
		return fmt.Sprintf("exit code %d", exit.Code)
	}
}

// launchError says as AWS does why a program could not be started, if that is the
// kernel's word.
func launchError(program string, err error) string {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.ENOENT, syscall.ENOEXEC, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ETXTBSY} {
		if strings.HasSuffix(err.Error(), ": "+errno.Error()) {
			return "fork/exec " + program + ": " + errno.Error()
		}
	}
	return program + ": " + err.Error()
}

// launchErrorType is what AWS calls an extension that could not be started.
func launchErrorType(err error) string {
	if errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied") {
		return errorPermissionDenied
	}
	return errorLaunch
}

// status is the word for a fault in reports.
func (f *fault) status() string {
	if f.errorType == "Sandbox.Timedout" {
		return "timeout"
	}
	return "error"
}

// logExtensions tells what became of all extensions, once init is over.
func (e *environment) logExtensions() {
	for _, x := range e.api().ListExtensions() {
		status := "success"
		if x.State != "Ready" {
			status = "error"
		}
		e.logs.platform(record{kind: extensionInit, status: status, errorType: x.ErrorType, extension: &x})
	}
}

// subscribed tells of a telemetry subscription.
func (e *environment) subscribed(extension string, types []string) {
	e.logs.platform(record{kind: telemetrySubscription, extension: &runtimeapi.Extension{Name: extension, State: "Subscribed", Events: types}})
}

// telemetry hands to subscribers what is logged; rec is nil for a line.
func (e *environment) telemetry(typ string, at int64, line []byte, rec *record) {
	api := e.api()
	if !api.TelemetryWanted() {
		return
	}
	event := runtimeapi.TelemetryEvent{Type: typ, At: time.UnixMilli(at), Line: string(line)}
	if rec != nil {
		event.Platform = platformEvent{rec, e}
	}
	api.Telemetry(event)
}

// platformEvent is a record as subscribers get it.
type platformEvent struct {
	rec *record
	e   *environment
}

// TelemetryType implements runtimeapi.PlatformRecord.
func (p platformEvent) TelemetryType() string { return p.rec.eventType() }

// TelemetryRecord implements runtimeapi.PlatformRecord.
func (p platformEvent) TelemetryRecord() any { return p.rec.body(&p.e.spec) }

// dial connects from inside the environment.
func (e *environment) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	e.mu.Lock()
	proc := e.proc
	e.mu.Unlock()
	d, ok := proc.(sandbox.Dialer)
	if !ok {
		return nil, errors.New("this sandbox can't be dialed")
	}
	return d.Dial(ctx, network, addr)
}
