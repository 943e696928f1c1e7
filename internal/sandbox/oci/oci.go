// Package oci runs execution environments as containers: an OCI bundle for each,
// driven by the command line of runc or of gVisor's runsc, without a daemon and
// without images. The root is made of the host's own programs, as in the plain
// sandbox.
//
// Containers are children of this process, which becomes a child subreaper
// unless it is the init of its PID namespace: then its death takes them along.
package oci

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Kind is a container runtime.
type Kind string

// The runtimes that are driven.
const (
	Runc  Kind = "runc"
	Runsc Kind = "runsc" // gVisor, on its systrap platform
)

// Network is what an environment sees of the network.
type Network string

// The networks an environment can have.
const (
	// NetworkHost is the host's, loopback included.
	NetworkHost Network = "host"
	// NetworkNone is a namespace of its own with loopback and the Runtime API alone.
	NetworkNone Network = "none"
	// NetworkVPC is a namespace of its own from which the VPC is reached.
	NetworkVPC Network = "vpc"
)

// Config is fixed for the life of a driver.
type Config struct {
	Kind    Kind
	Dir     string  // scratch folder of this driver alone; its owner removes it
	Network Network // "" means host
	// Networks makes what Network says; nil: without a way out, unless it is the host's.
	Networks *sandbox.Networks
}

// Find gives the runtime's executable, or how to get it.
func Find(kind Kind) (string, error) {
	// Debian puts runc where a user's PATH does not lead.
	for _, dir := range append([]string{""}, "/usr/local/sbin", "/usr/sbin", "/sbin") {
		path, err := exec.LookPath(filepath.Join(dir, string(kind)))
		if err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed; get it with: %s", kind, remedies[kind])
}

var remedies = map[Kind]string{
	Runc: "apt-get install runc",
	Runsc: "apt-get install runsc (Debian 13 or later; the package of Debian 12 lacks the systrap platform, " +
		"that of 13 runs there too)",
}

// Result is what a Probe found out.
type Result struct {
	Guarantees []sandbox.Guarantee // of the driver that an agent would get
	Full       bool                // the function's user is 993:990, as the service has it
	Reason     string              // why there is no such driver; "" when there is
}
