package plain

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/netns"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/cgroup"
	"github.com/lamina-dev/lamina/internal/sandbox/hostfs"
	"github.com/lamina-dev/lamina/internal/sandbox/reaper"
)

// order is what the stage is told, on descriptor 3.
type order struct {
	Probe      bool // stop short of running the command
	Namespaces bool
	NoProc     bool
	SetUser    bool // change to Spec.UID and GID
	Root       string
	CPUs       []int `json:"-"` // it is started on them
	Spec       stageSpec
}

// stageSpec is the part of sandbox.Spec that the stage needs.
type stageSpec struct {
	RootDir, Hosts                          string // Hosts is the file that becomes /etc/hosts in RootDir
	SocketDir                               string
	TaskDir, RuntimeDir, LangDir, LayersDir string
	Argv, Env                               []string
	WorkDir                                 string
	UID, GID                                int
	NoFile                                  uint64
	TmpBytes                                int64
	Init                                    bool // become an init instead of Argv
	Resolver                                string
}

// outcome is what the stage tells back, on descriptor 4, unless it became the
// command or its reaper, who has that descriptor then.
type outcome struct {
	Error  string
	NoProc bool
}

// namespaceFlags is what an environment has of its own.
const namespaceFlags = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC

// stageCaps are kept across the re-exec in a user namespace, where the user
// inside is not 0.
var stageCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}

// launch starts a stage, puts it into its cgroup and lets it become the command.
func (d *Driver) launch(ctx context.Context, spec sandbox.Spec) (*process, error) {
	root := filepath.Join(spec.Dir, "root")
	if d.host.namespaces {
		if err := os.MkdirAll(root, 0o700); err != nil {
			return nil, err
		}
	}
	hosts, err := writeHosts(spec, d.networks.Resolver())
	if err != nil {
		return nil, err
	}
	network := d.networks.Of(spec.ID)
	if network == nil && d.networks != nil { // nobody listens for it
		if network, err = netns.New(); err != nil {
			return nil, err
		}
		defer network.Close() // the process keeps it
	}
	group, err := d.host.cgroups.Create(spec.Cgroup, spec.Limits)
	if err != nil {
		return nil, err
	}
	p, out, err := startStage(ctx, d.host, network, group, spec.Log, order{
		Namespaces: d.host.namespaces,
		NoProc:     d.host.noProc,
		SetUser:    d.host.dropUser && !d.host.userNS,
		Root:       root,
		CPUs:       spec.CPUs,
		Spec: stageSpec{
			RootDir: spec.RootDir, Hosts: hosts, TaskDir: spec.TaskDir, RuntimeDir: spec.RuntimeDir, LangDir: spec.LangDir, LayersDir: spec.LayersDir, SocketDir: spec.SocketDir,
			Argv: spec.Argv, Env: spec.Env, WorkDir: spec.WorkDir, UID: spec.UID, GID: spec.GID,
			NoFile: spec.Limits.NoFile, TmpBytes: spec.Limits.TmpBytes, Resolver: d.networks.Resolver(), Init: spec.Init,
		},
	})
	if err == nil && out.Error != "" {
		<-p.Done()
		err = errors.New(out.Error)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// writeHosts makes /etc/hosts, and with a resolver resolv.conf beside it, for a
// root that many environments share.
func writeHosts(spec sandbox.Spec, resolver string) (path string, err error) {
	if spec.RootDir == "" {
		return "", nil
	}
	path = filepath.Join(spec.Dir, "hosts")
	if err := os.MkdirAll(spec.Dir, 0o711); err != nil {
		return "", err
	}
	files := hostfs.Files(spec.UID, spec.GID, resolver)
	if resolver != "" {
		if err := os.WriteFile(filepath.Join(spec.Dir, hostfs.ResolverFile), []byte(files[hostfs.ResolverFile]), 0o644); err != nil {
			return "", err
		}
	}
	return path, os.WriteFile(path, []byte(files["hosts"]), 0o644)
}

// startStage runs one stage until it has become the command or told why not.
// It takes over group. The network is the host's when network is nil.
func startStage(ctx context.Context, h host, network *netns.Namespace, group *cgroup.Group, log func(sandbox.Stream, []byte), o order) (*process, outcome, error) {
	orderR, orderW, err := os.Pipe()
	if err != nil {
		group.Remove()
		return nil, outcome{}, err
	}
	defer orderW.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		orderR.Close()
		group.Remove()
		return nil, outcome{}, err
	}
	cmd := exec.Command("/proc/self/exe", stageArg)
	cmd.Args[0] = "lamina"
	cmd.Env = []string{"GOMAXPROCS=1", "GOGC=off"} // a short life with one thread
	cmd.ExtraFiles = []*os.File{orderR, outW}
	cmd.SysProcAttr = attributes(h, o)
	var p *process
	start := func() (err error) {
		p, err = run(cmd, o.CPUs, o.Namespaces, group, log, o.Spec.Init, o.Spec.WorkDir)
		return err
	}
	if network == nil {
		err = start()
	} else {
		err = network.Do(start)
	}
	orderR.Close()
	outW.Close()
	if err != nil {
		outR.Close()
		group.Remove()
		return nil, outcome{}, err
	}
	stop := context.AfterFunc(ctx, func() { p.Kill() })
	defer stop()
	out, err := converse(p, o, orderW, outR)
	if p.child == nil {
		outR.Close()
	}
	go p.watch()
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		p.Kill()
		<-p.Done()
		return nil, outcome{}, err
	}
	return p, out, nil
}

// converse attaches the waiting stage to its cgroup, orders it on and hears the outcome.
func converse(p *process, o order, orderW io.WriteCloser, outR *os.File) (outcome, error) {
	if err := p.group.Attach(p.first()); err != nil {
		return outcome{}, err
	}
	if err := json.NewEncoder(orderW).Encode(o); err != nil {
		return outcome{}, fmt.Errorf("ordering the stage: %w", err)
	}
	orderW.Close()
	return p.hear(o, outR)
}

// maxOutcome bounds what the stage may say, for which a function can pass itself
// off where its user is the stage's (chosen).
const maxOutcome = 64 << 10

// hear waits for the first word on descriptor 4: the stage's, or the reaper's, which
// begins with a zero.
func (p *process) hear(o order, outR *os.File) (out outcome, err error) {
	words := bufio.NewReader(outR)
	first, err := words.Peek(1)
	switch {
	case errors.Is(err, io.EOF) && o.Probe:
		return out, errors.New("the stage died")
	case errors.Is(err, io.EOF): // an exec closed the other end
		return out, nil
	case err != nil:
		return out, fmt.Errorf("hearing from the stage: %w", err)
	case first[0] != 0:
		return out, json.NewDecoder(io.LimitReader(words, maxOutcome)).Decode(&out)
	}
	p.child, err = reaper.Hear(p.first(), struct {
		io.Reader
		io.Closer
	}{words, outR})
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		out.Error = fmt.Sprintf("Runtime.InvalidEntrypoint: running %s: %v", o.Spec.Argv[0], errno)
		return out, nil
	}
	return out, err
}

// attributes are the clone flags and, without privileges, the user mapping.
func attributes(h host, o order) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if !o.Namespaces {
		return attr
	}
	attr.Cloneflags = namespaceFlags
	if h.userNS {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: o.Spec.UID, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: o.Spec.GID, HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = stageCaps
	}
	return attr
}

// probe tries the ways to isolate from the best to the least.
func probe(ctx context.Context) (host, error) {
	groups := cgroup.Find()
	dropUser := os.Geteuid() == 0 && sandbox.IDMapped("/proc/self/uid_map", sandbox.DefaultUID) && sandbox.IDMapped("/proc/self/gid_map", sandbox.DefaultGID)
	var why error
	for _, h := range []host{
		{namespaces: true, dropUser: true},
		{namespaces: true, userNS: true},
	} {
		if h.dropUser && !dropUser {
			continue
		}
		noProc, err := tryHost(ctx, h)
		if err == nil {
			h.noProc, h.cgroups = noProc, groups
			return h, nil
		}
		if ctx.Err() != nil {
			return host{}, ctx.Err()
		}
		why = errors.Join(why, err)
	}
	return host{dropUser: dropUser, why: oneLine(why), cgroups: groups}, nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// tryHost builds an environment that runs nothing.
func tryHost(ctx context.Context, h host) (noProc bool, err error) {
	dir, err := os.MkdirTemp("", "lamina-probe-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	o := order{
		Probe: true, Namespaces: true, SetUser: h.dropUser, Root: dir,
		Spec: stageSpec{TaskDir: dir, WorkDir: sandbox.ServiceLayout.Task, UID: sandbox.DefaultUID, GID: sandbox.DefaultGID},
	}
	p, out, err := startStage(ctx, h, nil, nil, nil, o)
	if err != nil {
		return false, err
	}
	<-p.Done()
	if out.Error != "" {
		return false, errors.New(out.Error)
	}
	return out.NoProc, nil
}
