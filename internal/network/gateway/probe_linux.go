package gateway

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probeArg is the hidden argument with which this binary re-executes itself to
// try a gateway where an agent would make it.
const probeArg = "network-probe"

// probeLimit bounds a probe on a busy machine (chosen).
const probeLimit = 20 * time.Second

// Main must be called first thing in main of every binary that calls Probe. It
// returns at once unless the process is a probe.
func Main() {
	if len(os.Args) != 2 || os.Args[1] != probeArg {
		return
	}
	if err := try(); err != nil {
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
		syscall.Exit(1)
	}
	syscall.Exit(0)
}

// Probe finds out, by making one in namespaces like an agent's, what keeps this
// host from having instances' networks; nil: nothing.
func Probe(ctx context.Context) error {
	if _, err := Nft(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", probeArg)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	switch said := strings.TrimSpace(string(out)); {
	case err == nil:
		return nil
	case said != "":
		return fmt.Errorf("%s", said)
	default:
		return fmt.Errorf("instances' networks can't be tried here: %w", err)
	}
}
