package rootfs

import (
	"errors"
	"syscall"
)

// isPathConflict tells errors that only the names in the archive can have caused.
func isPathConflict(err error) bool {
	for _, e := range []error{syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
