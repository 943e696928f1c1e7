package oci

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/hostfs"
	"github.com/lamina-dev/lamina/internal/sandbox/reaper"
)

// writeBundle puts a container's description where the runtime reads it.
func writeBundle(dir string, s *specs.Spec) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("describing the container: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600)
}

// bundle describes an environment in OCI's words.
func (d *Driver) bundle(spec sandbox.Spec) *specs.Spec {
	s := &specs.Spec{
		Version:  "1.0.2",
		Hostname: "sandbox", // which /etc/hosts resolves
		Root:     &specs.Root{Path: cmp.Or(spec.RootDir, d.root.dir), Readonly: true},
		Process:  d.process(spec),
		Mounts:   d.mounts(spec),
		Linux: &specs.Linux{
			Namespaces:    d.namespaces(spec.ID),
			MaskedPaths:   []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi"},
			ReadonlyPaths: []string{"/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger"},
		},
	}
	if d.reaped(spec) {
		s.Process.Args = append([]string{"/" + initPath}, reaper.Argv(spec.Argv[0], spec.Argv)[1:]...)
	}
	if spec.Cgroup != "" && d.fullUser {
		s.Linux.CgroupsPath = "/" + spec.Cgroup
		s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}} // none but the usual ones
	}
	if d.cfg.Kind == Runc {
		s.Linux.Seccomp = seccomp()
	}
	return s
}

// reaped says whether the command is not the first process of its environment.
func (d *Driver) reaped(spec sandbox.Spec) bool { return d.reaper != "" && !spec.Init }

// envCommand is a program that most roots have.
const envCommand = "/usr/bin/env"

// process describes a command of an environment.
func (d *Driver) process(spec sandbox.Spec) *specs.Process {
	umask := uint32(0o022)
	user := specs.User{UID: uint32(spec.UID), GID: uint32(spec.GID), Umask: &umask}
	if !d.fullUser && d.cfg.Kind == Runc {
		user.UID, user.GID = 0, 0
	}
	args := spec.Argv
	if spec.Init {
		args = []string{"/" + initPath, initArg}
	}
	return &specs.Process{
		User: user, Args: args, Env: spec.Env, Cwd: spec.WorkDir,
		Capabilities: &specs.LinuxCapabilities{}, NoNewPrivileges: true, Rlimits: rlimits(spec.Limits),
	}
}

// withoutHome is the command. Both runtimes add the variable HOME, which the
// service's environment has not; a root without envCommand keeps it.
func withoutHome(spec sandbox.Spec) []string {
	if slices.ContainsFunc(spec.Env, func(e string) bool { return strings.HasPrefix(e, "HOME=") }) {
		return spec.Argv
	}
	return append([]string{envCommand, "-u", "HOME", "--"}, spec.Argv...)
}

// rlimits never ask for more than this process has: raising takes a privilege.
func rlimits(l sandbox.Limits) []specs.POSIXRlimit {
	list := []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return list
	}
	limit := now.Max
	if l.NoFile > 0 {
		limit = min(l.NoFile, now.Max)
	}
	// Set in any case: Go raises its own soft limit, which a container would inherit.
	return append(list, specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Soft: limit, Hard: limit})
}

func (d *Driver) namespaces(id string) []specs.LinuxNamespace {
	list := []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}}
	if d.cfg.Networks == nil {
		return list
	}
	n := specs.LinuxNamespace{Type: specs.NetworkNamespace}
	if open := d.cfg.Networks.Of(id); open != nil {
		n.Path = open.Path()
	}
	return append(list, n)
}

func (d *Driver) mounts(spec sandbox.Spec) []specs.Mount {
	list := []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec"}}}
	if d.cfg.Kind == Runc { // gVisor has a /dev of its own
		list = append(list, specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "mode=755", "size=64k", "ro"}})
	}
	list = append(list, d.rootMounts(spec)...)
	l := sandbox.ServiceLayout
	for _, f := range []struct{ src, dst string }{
		{spec.TaskDir, l.Task}, {spec.RuntimeDir, l.Runtime}, {spec.LangDir, l.Lang}, {spec.LayersDir, l.Opt}, {spec.SocketDir, sandbox.SocketPath},
	} {
		if f.src != "" {
			list = append(list, d.bind(f.src, f.dst))
		}
	}
	switch {
	case spec.Init:
		list = append(list, d.bind(d.self, "/"+initPath))
	case d.reaped(spec):
		list = append(list, d.bind(d.reaper, "/"+initPath))
	}
	size := spec.Limits.TmpBytes
	if size <= 0 {
		size = sandbox.DefaultTmp
	}
	return append(list, specs.Mount{Destination: l.Tmp, Type: "tmpfs", Source: "tmpfs",
		Options: []string{"nosuid", "nodev", "mode=1777", fmt.Sprintf("size=%d", size)}})
}

// rootMounts are what of the host is shown in the root.
func (d *Driver) rootMounts(spec sandbox.Spec) (list []specs.Mount) {
	if spec.RootDir == "" {
		for _, e := range d.root.binds {
			list = append(list, d.bind(e.Source, "/"+e.Path))
		}
		return list
	}
	list = append(list, d.bind(d.root.at("etc/hosts"), "/etc/hosts"))
	if d.cfg.Networks.Resolver() != "" {
		return append(list, d.bind(d.root.at("etc/"+hostfs.ResolverFile), "/etc/resolv.conf"))
	}
	if resolver, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil {
		list = append(list, d.bind(resolver, "/etc/resolv.conf"))
	}
	return list
}

// bind shows a host folder, with what is mounted below, read-only.
func (d *Driver) bind(src, dst string) specs.Mount {
	options := []string{"rbind", "ro", "nosuid", "nodev"}
	if d.cfg.Kind == Runc {
		options = append(options, "rro") // the mounts below too
	}
	return specs.Mount{Destination: dst, Type: "bind", Source: src, Options: options}
}
