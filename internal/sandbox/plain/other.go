//go:build !linux

package plain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

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
	if spec.Init {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		spec.Argv, spec.Env = []string{self, initArg}, nil
	}
	cmd := exec.Command(spec.Argv[0])
	cmd.Args, cmd.Env, cmd.Dir = spec.Argv, spec.Env, spec.WorkDir
	if spec.Init { // the socket is to be at initFD
		none, err := os.Open(os.DevNull)
		if err != nil {
			return nil, err
		}
		defer none.Close()
		cmd.ExtraFiles = []*os.File{none, none}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if d.host.dropUser {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(spec.UID), Gid: uint32(spec.GID)}
	}
	p, err := run(cmd, spec.CPUs, false, nil, spec.Log, spec.Init, spec.WorkDir)
	if err != nil {
		return nil, err
	}
	go p.watch()
	return p, nil
}
