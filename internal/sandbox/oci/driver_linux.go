package oci

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/cgroup"
	"github.com/lamina-dev/lamina/internal/sandbox/reaper"
)

// Driver runs containers by one runtime.
type Driver struct {
	cfg      Config
	command  command
	root     *skeleton
	cgroups  cgroup.Host
	fullUser bool   // the function's user exists in this process's user namespace
	self     string // this binary, the init of environments with several commands
	reaper   string // the program that is the first process of all others; "": there is none
}

var _ sandbox.Sandbox = (*Driver)(nil)

// New prepares a driver; whether containers run here is for Probe to find out.
func New(cfg Config) (*Driver, error) {
	path, err := Find(cfg.Kind)
	if err != nil {
		return nil, err
	}
	cfg.Network = cmp.Or(cfg.Network, NetworkHost)
	if cfg.Network != NetworkHost && cfg.Networks == nil {
		cfg.Networks = sandbox.Loopback()
	}
	d := &Driver{
		cfg:      cfg,
		command:  command{kind: cfg.Kind, path: path, state: filepath.Join(cfg.Dir, "state"), network: cfg.Network},
		cgroups:  cgroup.Find(),
		fullUser: sandbox.IDMapped("/proc/self/uid_map", sandbox.DefaultUID) && sandbox.IDMapped("/proc/self/gid_map", sandbox.DefaultGID),
	}
	d.command.unprivileged = !d.fullUser
	if d.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	if err := os.MkdirAll(d.command.state, 0o711); err != nil {
		return nil, fmt.Errorf("make the folder of %s: %w", cfg.Kind, err)
	}
	if d.root, err = makeSkeleton(filepath.Join(cfg.Dir, "root"), sandbox.DefaultUID, sandbox.DefaultGID, cfg.Networks.Resolver()); err != nil {
		return nil, fmt.Errorf("prepare the environments' root: %w", err)
	}
	if program := reaper.Program(); program != nil {
		d.reaper = filepath.Join(cfg.Dir, "reaper")
		if err := writeProgram(d.reaper, program); err != nil {
			return nil, fmt.Errorf("write the environments' first program: %w", err)
		}
	}
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("become the parent of containers: %w", err)
		}
	}
	return d, nil
}

// writeProgram puts a program in its place at once: the last driver's may be running.
func writeProgram(path string, program []byte) error {
	if err := os.WriteFile(path+".new", program, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(path+".new", 0o755); err != nil { // whatever the umask
		return err
	}
	return os.Rename(path+".new", path)
}

// Listen implements sandbox.Sandbox.
func (d *Driver) Listen(ctx context.Context, id string) (net.Listener, error) {
	return d.cfg.Networks.Listen(ctx, id)
}

// Layout implements sandbox.Sandbox: always AWS's paths.
func (d *Driver) Layout(sandbox.Spec) sandbox.Layout { return sandbox.ServiceLayout }

// Start implements sandbox.Sandbox.
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Process, error) {
	p, err := d.start(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("starting environment %s: %w", spec.ID, err)
	}
	return p, nil
}

func (d *Driver) start(ctx context.Context, spec sandbox.Spec) (*process, error) {
	if err := d.check(&spec); err != nil {
		return nil, err
	}
	bundle := filepath.Join(spec.Dir, "bundle")
	if err := writeBundle(bundle, d.bundle(spec)); err != nil {
		return nil, err
	}
	group, err := d.cgroups.Create(spec.Cgroup, spec.Limits)
	if err != nil {
		return nil, err
	}
	return d.run(ctx, spec, bundle, group)
}

// check sees to defaults and tells the function's own faults.
func (d *Driver) check(spec *sandbox.Spec) error {
	l := sandbox.ServiceLayout
	spec.WorkDir = cmp.Or(spec.WorkDir, l.Task)
	spec.UID, spec.GID = cmp.Or(spec.UID, sandbox.DefaultUID), cmp.Or(spec.GID, sandbox.DefaultGID)
	if _, err := os.Stat(spec.TaskDir); err != nil && spec.RootDir == "" {
		return err
	}
	if spec.Init {
		spec.Env, spec.WorkDir = []string{"GOMAXPROCS=1"}, "/" // an image need not have the usual folder
		return nil
	}
	return d.checkCommand(spec)
}

// checkCommand looks for what is to be run.
func (d *Driver) checkCommand(spec *sandbox.Spec) error {
	if len(spec.Argv) == 0 {
		return fmt.Errorf("no command")
	}
	l := sandbox.ServiceLayout
	v := view{"/": cmp.Or(spec.RootDir, d.root.dir)}
	if spec.RootDir == "" {
		for _, e := range d.root.binds {
			v["/"+e.Path] = e.Source
		}
	}
	for inside, host := range map[string]string{l.Task: spec.TaskDir, l.Runtime: spec.RuntimeDir, l.Lang: spec.LangDir, l.Opt: spec.LayersDir} {
		if host != "" {
			v[inside] = host
		}
	}
	if err := v.workDir(spec.WorkDir); err != nil {
		return err
	}
	path, err := v.command(spec.Argv[0], spec.Env)
	if err != nil {
		return err
	}
	spec.Argv = append([]string{path}, spec.Argv[1:]...)
	if v.executable(envCommand) == nil {
		spec.Argv = withoutHome(*spec)
	}
	return nil
}

// Describe implements sandbox.Sandbox.
func (d *Driver) Describe() []sandbox.Guarantee {
	list := []sandbox.Guarantee{
		{Aspect: "files", Isolated: true, Detail: "own read-only root: host programs and libraries, own /tmp"},
		{Aspect: "processes", Isolated: true, Detail: "own PID and IPC namespaces: sees and signals only its own, and all die with the first"},
		{Aspect: "hostname", Isolated: true, Detail: "own UTS namespace"},
		d.describeUser(),
		{Aspect: "privileges", Isolated: true, Detail: "no capabilities, and none to be gained"},
	}
	list = append(list, d.cgroups.Describe()...)
	switch d.cfg.Network {
	case NetworkNone:
		list = append(list, sandbox.Guarantee{Aspect: "network", Isolated: true, Detail: "own namespace: loopback with the Runtime API alone, no way out"})
	case NetworkVPC:
		list = append(list, sandbox.Guarantee{Aspect: "network", Isolated: true, Detail: "own namespace: loopback with the Runtime API, and what the VPC lets out"})
	default:
		list = append(list, sandbox.Guarantee{Aspect: "network", Detail: "shares the host's network, loopback included"})
	}
	if d.cfg.Kind == Runsc {
		return append(list, sandbox.Guarantee{Aspect: "kernel", Isolated: true, Detail: "system calls are served by gVisor, not by the host's kernel"})
	}
	filter := sandbox.Guarantee{Aspect: "system calls", Isolated: seccomp() != nil, Detail: "filtered: what is not listed is refused"}
	if !filter.Isolated {
		filter.Detail = "not filtered on this architecture"
	}
	return append(list, filter, sandbox.Guarantee{Aspect: "kernel", Detail: "shares the host's kernel"})
}

func (d *Driver) describeUser() sandbox.Guarantee {
	if d.fullUser || d.cfg.Kind == Runsc {
		return sandbox.Guarantee{Aspect: "user", Isolated: true, Detail: "runs as a user of its own (993:990)"}
	}
	return sandbox.Guarantee{Aspect: "user", Detail: "is user 0 of the instance's user namespace, without its privileges; on the host it is the user who runs lamina"}
}
