//go:build !linux

package plain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

func stage() int {
	fmt.Fprintln(os.Stderr, "no stage is needed on", runtime.GOOS)
	return 1
}

// probe: there are only process groups and users.
func probe(context.Context) (host, error) {
	return host{dropUser: os.Geteuid() == 0, why: "no namespaces on " + runtime.GOOS}, nil
}

// launch runs the command in a session of its own.
func (d *Driver) launch(ctx context.Context, spec sandbox.Spec) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd := exec.Command(spec.Argv[0])
	cmd.Args, cmd.Env, cmd.Dir = spec.Argv, spec.Env, spec.WorkDir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if d.host.dropUser {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(spec.UID), Gid: uint32(spec.GID)}
	}
	return run(cmd, false, nil, spec.Log)
}

// cgroups and cgroup are Linux's; here there are none.
type cgroups struct{}

func (cgroups) has(string) bool { return false }

type cgroup struct{}

func (*cgroup) kill()                         {}
func (*cgroup) remove()                       {}
func (*cgroup) oomKills() int64               { return 0 }
func (*cgroup) usage() (sandbox.Usage, error) { return sandbox.Usage{}, os.ErrInvalid }

// treeUsage asks ps for the session's processes.
func treeUsage(pid int) (sandbox.Usage, error) {
	out, err := exec.Command("ps", "-g", strconv.Itoa(pid), "-o", "rss=,time=").Output()
	if err != nil {
		return sandbox.Usage{}, fmt.Errorf("reading process usage: %w", err)
	}
	var u sandbox.Usage
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		kb, _ := strconv.ParseInt(fields[0], 10, 64)
		u.MemoryBytes += kb << 10
		u.CPU += clockTime(fields[1])
	}
	return u, nil
}

// clockTime reads ps's [[hours:]minutes:]seconds[.hundredths].
func clockTime(s string) time.Duration {
	var d time.Duration
	for part := range strings.SplitSeq(s, ":") {
		sec, _ := strconv.ParseFloat(part, 64)
		d = d*60 + time.Duration(sec*float64(time.Second))
	}
	return d
}
