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
		flags = append(flags, "--platform=systrap", "--network=host", "--overlay2=none", "--host-uds=open")
		if c.unprivileged {
			flags = append(flags, "--rootless", "--ignore-cgroups")
		}
	}
	return exec.Command(c.path, append(flags, args...)...)
}

func (c command) run(id, bundle, pidFile string) *exec.Cmd {
	return c.exec("run", "--detach", "--bundle", bundle, "--pid-file", pidFile, id)
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
func (c command) killOne(id, pid, signal string) *exec.Cmd {
	return c.exec("kill", "--pid", pid, id, signal)
}

func (c command) delete(id string) *exec.Cmd { return c.exec("delete", "--force", id) }

func (c command) kill(id, signal string) *exec.Cmd { return c.exec("kill", id, signal) }
