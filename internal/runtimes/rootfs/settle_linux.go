package rootfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// settle makes all that was unpacked durable, before its name says that it is whole.
func settle(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync a root file system: %w", err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync a root file system: %w", err)
	}
	return nil
}
