package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// probeArg is the hidden first argument with which this binary re-executes
// itself to try a container where an agent would run it.
const probeArg = "sandbox-probe"

// probeLimit bounds a probe, gVisor's on a busy machine included (chosen).
const probeLimit = 20 * time.Second

// Main must be called first thing in main of every binary that calls Probe. It
// returns at once unless the process is a probe or an environment's init.
func Main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == probeArg:
		syscall.Exit(probed(Kind(os.Args[2]), Network(os.Args[3])))
	case len(os.Args) == 2 && os.Args[1] == initArg:
		hold()
	}
}

// Probe runs one trivial container in namespaces like an agent's.
func Probe(ctx context.Context, kind Kind, network Network) Result {
	if _, err := Find(kind); err != nil {
		return Result{Reason: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", probeArg, string(kind), string(network))
	cmd.SysProcAttr = agentLike()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var r Result
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return Result{Reason: fmt.Sprintf("%s can't be tried here: %v", kind, err)}
	}
	return r
}

// agentLike are the namespaces in which the process driver starts agents.
func agentLike() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// probed is the whole life of a probe.
func probed(kind Kind, network Network) int {
	r, err := try(kind, network)
	if err != nil {
		r.Reason = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	if json.NewEncoder(os.Stdout).Encode(r) != nil {
		return 1
	}
	return 0
}

func try(kind Kind, network Network) (r Result, err error) {
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""), unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")); err != nil {
		return r, fmt.Errorf("setting the probe apart: %w", err)
	}
	dir, err := os.MkdirTemp("", "lamina-probe-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	d, err := New(Config{Kind: kind, Dir: dir, Network: network})
	if err != nil {
		return r, err
	}
	r.Guarantees, r.Full = d.Describe(), d.describeUser().Isolated
	task := filepath.Join(dir, "task")
	if err := os.Mkdir(task, 0o755); err != nil {
		return r, err
	}
	l, err := d.Listen(context.Background(), "probe")
	if err != nil {
		return r, err
	}
	defer l.Close()
	p, err := d.Start(context.Background(), sandbox.Spec{ID: "lamina-probe", Dir: dir, TaskDir: task, Argv: []string{"/usr/bin/env"}})
	if err != nil {
		return r, err
	}
	<-p.Done()
	if exit := p.Exit(); exit != (sandbox.Exit{}) {
		return r, fmt.Errorf("a container that should do nothing ended with %v", exit)
	}
	return r, nil
}
