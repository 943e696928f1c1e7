package codepkg

import (
	"errors"
	"syscall"
)

// isPathConflict tells errors that only the names in the zip can have caused.
func isPathConflict(err error) bool {
	for _, e := range []error{syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, e) {
			return true
		}
	}
	// os.Root's own refusal of a path that leaves it has no exported value.
	_, isErrno := err.(syscall.Errno)
	return !isErrno
}
