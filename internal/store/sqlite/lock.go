package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// InUseError says that another process owns the data folder.
type InUseError struct {
	Folder string
	PID    int // 0 when it has not said
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data folder %s is in use by another process", e.Folder)
	}
	return fmt.Sprintf("data folder %s is in use by process %d; stop it, or choose another folder with --data", e.Folder, e.PID)
}

// folderLock is an flock on the lock file. The kernel gives it free when the
// process ends, however it ends; Go opens files so that children do not inherit it.
type folderLock struct{ file *os.File }

// Lock owns the store's folder, as Open does, without opening the store: for
// whoever removes it. It is nobody's once the process ends or release is called.
func Lock(folder string) (release func() error, err error) {
	l, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	return l.release, nil
}

func lockFolder(folder string) (*folderLock, error) {
	path := filepath.Join(folder, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &InUseError{Folder: folder, PID: readPID(path)}
		return nil, errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	// Only for the message to the next one, so a full disk does not matter.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &folderLock{file: f}, nil
}

func readPID(path string) int {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	return pid
}

// release unlocks before it closes: a child that is just being started has the
// file until it runs its own program, and closing alone would leave it the lock.
func (l *folderLock) release() error {
	if err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN); err != nil {
		return errors.Join(fmt.Errorf("unlocking the data folder: %w", err), l.file.Close())
	}
	return l.file.Close()
}
