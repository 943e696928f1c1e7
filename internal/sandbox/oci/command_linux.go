package oci

import (
	"os/exec"
)

// command builds the runtime's command lines.
type command struct {
	kind         Kind
	path         string
	state        string // folder where the runtime keeps what it knows of its containers
	network      Network
	unprivileged bool // not root on the host
}

func (c command) exec(args ...string) *exec.Cmd {
	flags := []string{"--root", c.state}
	if c.kind == Runsc {
		flags = append(flags, "--platform=systrap", "--network=host", "--overlay2=none")
		if c.unprivileged {
			flags = append(flags, "--rootless", "--ignore-cgroups")
		}
	}
	return exec.Command(c.path, append(flags, args...)...)
}

func (c command) run(id, bundle, pidFile string) *exec.Cmd {
	return c.exec("run", "--detach", "--bundle", bundle, "--pid-file", pidFile, id)
}

func (c command) delete(id string) *exec.Cmd { return c.exec("delete", "--force", id) }

func (c command) kill(id, signal string) *exec.Cmd { return c.exec("kill", id, signal) }
