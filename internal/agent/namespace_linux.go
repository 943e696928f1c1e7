package agent

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// settleIn gives the init of a new PID namespace a /proc of its own. Where the
// kernel refuses, sandboxes do without one.
func settleIn() error {
	if os.Getpid() != 1 {
		return nil
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self == "1" {
		return nil // already ours, as in a container
	}
	// Slave: what the host unmounts must not stay mounted here.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("set this instance's mounts apart: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}
