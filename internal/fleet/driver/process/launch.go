package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/wire"
)

// StartFD is the descriptor from which a started agent reads its wire.Start.
const StartFD = 3

// Launch implements driver.Driver.
func (d *Driver) Launch(ctx context.Context, spec driver.Spec) (string, error) {
	id := spec.Instance.ID
	if _, err := d.resolve(id, ""); err != nil {
		return "", err
	}
	if err := d.admit(); err != nil {
		return "", err
	}
	defer d.release()
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("launch %s: %w", id, err)
	}
	in, err := d.start(spec)
	if err != nil {
		return "", errors.Join(fmt.Errorf("launch %s: %w", id, err), d.remove(id))
	}
	d.mu.Lock()
	d.watch(in)
	d.mu.Unlock()
	return in.handle.String(), nil
}

// start forks the agent, which waits on its pipe until it is in its cgroup and
// its handle is on disk.
func (d *Driver) start(spec driver.Spec) (*instance, error) {
	id := spec.Instance.ID
	if err := os.Mkdir(d.dir(id), 0o700); err != nil {
		return nil, err
	}
	group := d.makeGroup(spec)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	cmd, err := d.fork(id, r)
	r.Close()
	if err != nil {
		return nil, err
	}
	in := &instance{id: id, reap: reaper(cmd)}
	if err := d.letGo(in, cmd.Process.Pid, group, w, spec); err != nil {
		cmd.Process.Kill()
		in.reap()
		return nil, err
	}
	return in, nil
}

func (d *Driver) letGo(in *instance, pid int, group string, w *os.File, spec driver.Spec) error {
	start, _, err := processStart(pid)
	if err != nil {
		return fmt.Errorf("ask for the agent's start time: %w", err)
	}
	in.handle = handle{pid: pid, start: start}
	if group != "" {
		attach(group, pid)
	}
	if err := os.WriteFile(filepath.Join(d.dir(in.id), handleFile), []byte(in.handle.String()), 0o600); err != nil {
		return err
	}
	st := d.startOf(spec, group)
	d.mu.Lock()
	st.FirstCPU = d.launched
	d.launched++
	d.mu.Unlock()
	return wire.WriteStart(w, st)
}

// sandboxOf is what the environments of an instance run in: the hidden fleet's
// are those of ordinary functions.
func sandboxOf(spec driver.Spec) string {
	if spec.Instance.Hidden && spec.Settings.Ordinary != "" {
		return spec.Settings.Ordinary
	}
	return spec.Settings.Sandbox
}

func (d *Driver) startOf(spec driver.Spec, group string) wire.Start {
	return wire.Start{
		InstanceID: spec.Instance.ID,
		Token:      spec.Instance.Token,
		ServerAddr: spec.ServerAddr,
		Dir:        d.dir(spec.Instance.ID),
		DataDir:    d.cfg.DataDir,
		Orphan:     spec.Orphan,
		VCPUCores:  spec.Settings.VCPUCores,
		CPUHard:    spec.Settings.CPULimit == driver.CPUHard,
		Cgroup:     group,
		Runtimes:   spec.Settings.Runtimes,
		Roots:      spec.Settings.Roots,
		Images:     spec.Settings.Images,
		Codes:      spec.Settings.Codes,
		LogLevel:   spec.Settings.LogLevel,
		Sandbox:    sandboxOf(spec),
		Network:    spec.Settings.Network,
		Address:    spec.Instance.PrivateIP,
		IPv6:       spec.Instance.IPv6,
		Door:       spec.Settings.Door,
		Front:      spec.Settings.Front,
	}
}

// fork starts the agent as isolated as this host permits. What it refuses for
// good is remembered once something less works: a limit that is reached at the
// moment, or a binary that can't be run, says nothing of isolation.
func (d *Driver) fork(id string, start *os.File) (*exec.Cmd, error) {
	log, err := d.openLog(id)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.mu.Lock()
	level := d.isolate
	d.mu.Unlock()
	for lasting := true; ; level++ {
		cmd, err := d.command(id, start, log)
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr = isolations[level].attr()
		err = cmd.Start()
		if err == nil && lasting {
			d.mu.Lock()
			d.isolate = max(d.isolate, level)
			d.mu.Unlock()
		}
		if err == nil || level == len(isolations)-1 || !refused(err) {
			return cmd, err
		}
		d.log.Info("an instance can't be isolated so far here", "refused", isolations[level].name, "err", err)
		lasting = lasting && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EUSERS)
	}
}

func (d *Driver) command(id string, start, log *os.File) (*exec.Cmd, error) {
	exe, err := d.binary()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, "agent", id)
	cmd.Args[0] = "lamina" // the process list shows: lamina agent i-…
	cmd.Dir = d.dir(id)
	cmd.Env = agentEnvironment(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{start} // StartFD
	return cmd, nil
}

// running is this process's binary, whatever has become of its path (Linux).
const running = "/proc/self/exe"

// thisBinary prefers the real path, which gives the process its name. What has
// been put in its place since the start is another version, whose agents this
// server can't talk to.
func thisBinary() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this binary: %w", err)
	}
	return binaryAt(exe)
}

func binaryAt(path string) (string, error) {
	there, err := os.Stat(path)
	own, err2 := os.Stat(running)
	switch {
	case err2 == nil && (err != nil || !os.SameFile(there, own)):
		return running, nil
	case err != nil:
		return "", fmt.Errorf("find this binary: %w", err)
	}
	return path, nil
}

// agentEnvironment keeps the operator's cloud credentials from the agents.
func agentEnvironment(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "AWS_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// refused tells a lack of permission or of kernel support from other faults.
func refused(err error) bool {
	for _, e := range []error{syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.ENOSPC, syscall.ENOSYS, syscall.EUSERS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
