package oci

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// shortLimit bounds the runtime's short commands: an environment whose runtime
// does not answer must still come to its end (chosen; they take milliseconds).
const shortLimit = 30 * time.Second

// command builds the runtime's command lines.
type command struct {
	kind         Kind
	path         string
	state        string // folder where the runtime keeps what it knows of its containers
	network      Network
	unprivileged bool // not root on the host
}

func (c command) exec(args ...string) *exec.Cmd { return exec.Command(c.path, c.args(args)...) }

// short runs a command that nobody waits long for.
func (c command) short(limit time.Duration, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args(args)...)
	cmd.WaitDelay = time.Second // for what it may have left with its output
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s does not end within %v", c.kind, args[0], limit)
	default:
		return fmt.Errorf("%s %s: %w: %s", c.kind, args[0], err, out)
	}
}

func (c command) args(args []string) []string {
	flags := []string{"--root", c.state}
	if c.kind == Runsc {
		flags = append(flags, "--platform=systrap", "--network=host", "--overlay2=none", "--host-uds=open")
		if c.unprivileged {
			flags = append(flags, "--rootless", "--ignore-cgroups")
		}
	}
	return append(flags, args...)
}

// run starts a container, whose first process has these files after its output.
func (c command) run(id, bundle, pidFile string, files ...*os.File) *exec.Cmd {
	args := []string{"run", "--detach", "--bundle", bundle, "--pid-file", pidFile}
	if len(files) > 0 {
		args = append(args, "--preserve-fds", strconv.Itoa(len(files)))
	}
	cmd := c.exec(append(args, id)...)
	cmd.ExtraFiles = files
	return cmd
}

// more runs one more process in a container. Of gVisor's the host sees a
// stand-in that waits for it; its own number goes to innerPid.
func (c command) more(id, process, pidFile, innerPid string) *exec.Cmd {
	args := []string{"exec", "--detach", "--process", process, "--pid-file", pidFile}
	if c.kind == Runsc {
		args = append(args, "--internal-pid-file", innerPid)
	}
	return c.exec(append(args, id)...)
}

// killOne signals one process of a gVisor container.
func (c command) killOne(id, pid, signal string) error {
	return c.short(shortLimit, "kill", "--pid", pid, id, signal)
}

func (c command) delete(id string) error { return c.short(shortLimit, "delete", "--force", id) }

func (c command) kill(id, signal string) error { return c.short(shortLimit, "kill", id, signal) }
