package agent

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Limits of one environment. Ordinary functions have AWS's quotas (1,024
// processes and descriptors); managed ones AWS's 4,096 descriptors (lmi-service.md
// 3.1) and, as they run up to 1,600 workers and AWS tells no figure, more
// processes (chosen).
const (
	ordinaryPids    = 1024
	ordinaryNoFile  = 1024
	managedNoFile   = 4096
	pidsPerWorker   = 16
	sharesOfOneVCPU = 1024
)

// sandboxSpec says how the environment is run.
func (e *environment) sandboxSpec(dir string, c content, runtimeDir string, in runtimes.Interpreter, api string) (sandbox.Spec, error) {
	s := sandbox.Spec{
		ID:         e.spec.ID,
		Dir:        dir,
		TaskDir:    c.task,
		LayersDir:  c.opt,
		RuntimeDir: runtimeDir,
		LangDir:    in.Prefix,
		RootDir:    in.Root,
		Limits:     e.limits(),
		Log:        func(_ sandbox.Stream, line []byte) { e.logs.line(line) },
	}
	if s.CPUs = e.a.cpus.all; e.spec.Managed {
		s.CPUs = e.a.cpus.take(vcpus(e.spec))
	}
	if e.a.cfg.Cgroup != "" {
		s.Cgroup = path.Join(e.a.cfg.Cgroup, e.spec.ID)
	}
	l := runtimes.Layout(e.a.cfg.Sandbox.Layout(s))
	f := e.function(api)
	if s.SocketDir = e.socketDir(dir, s); s.SocketDir != "" {
		f.LogSocket = path.Join(sandbox.SocketPath, logSocketName)
	}
	if i := e.spec.Image; i != nil {
		f.Image = true
		s.Argv, s.WorkDir, s.Env = i.Argv, i.WorkDir, runtimes.Environment(f, l, runtimes.ImageVariables(i.Env))
		return s, nil
	}
	f.LayerBootstrap = runtimes.InLayer(c.task, c.opt)
	argv, extra, err := runtimes.Command(e.spec.Runtime, in, f, l)
	if err != nil {
		return s, err
	}
	s.Argv = argv
	s.Env = runtimes.Environment(f, l, extra)
	return s, nil
}

func (e *environment) limits() sandbox.Limits {
	l := sandbox.Limits{
		MemoryBytes: int64(e.spec.MemoryMB) << 20,
		Pids:        ordinaryPids,
		NoFile:      ordinaryNoFile,
		CPUShares:   max(2, e.spec.MilliVCPU*sharesOfOneVCPU/1000),
		TmpBytes:    int64(e.spec.TmpMB) << 20,
	}
	if e.spec.Managed {
		l.Pids = max(ordinaryPids, int64(e.spec.Slots)*pidsPerWorker)
		l.NoFile = managedNoFile
	}
	if e.a.cfg.CPUHard {
		l.CPUQuota = float64(e.spec.MilliVCPU) / 1000 * e.a.cfg.VCPUCores
	}
	return l
}

// vcpus is how many a managed function finds: memory by ratio (lmi-service.md, last table, row 46).
func vcpus(s wire.EnvironmentSpec) int { return max(1, int(s.MilliVCPU/1000)) }

func (e *environment) function(api string) runtimes.Function {
	f := runtimes.Function{
		Name:             e.spec.Function,
		Version:          e.spec.Qualifier,
		Handler:          e.spec.Handler,
		MemoryMB:         int(e.spec.MemoryMB),
		VCPUs:            vcpus(e.spec),
		Region:           e.spec.Region,
		AccessKeyID:      e.spec.Credentials.AccessKeyID,
		SecretAccessKey:  e.spec.Credentials.SecretAccessKey,
		SessionToken:     e.spec.Credentials.SessionToken,
		LogGroup:         e.spec.LogGroup,
		LogStream:        e.spec.LogStream,
		LogFormat:        e.spec.LogFormat,
		LogLevel:         e.spec.AppLogLevel,
		RuntimeAPI:       api,
		ManagedInstances: e.spec.Managed,
		Customer:         e.spec.Variables,
	}
	if e.spec.Managed {
		f.MaxConcurrency = e.spec.Slots
	}
	return f
}

// runtimeFiles holds each runtime's bootstrap, written once and shared by all
// environments.
type runtimeFiles struct {
	dir string

	mu   sync.Mutex
	made map[string]string
}

func newRuntimeFiles(dir string) *runtimeFiles {
	return &runtimeFiles{dir: dir, made: make(map[string]string)}
}

func (r *runtimeFiles) get(runtime string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if dir, ok := r.made[runtime]; ok {
		return dir, nil
	}
	dir := filepath.Join(r.dir, runtime)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the runtime's folder: %w", err)
	}
	if err := runtimes.Install(runtime, dir); err != nil {
		return "", err
	}
	r.made[runtime] = dir
	return dir, nil
}
