package sqlite

import (
	"syscall"
	"testing"
)

// TestLockIsReleasedWithAChildStarting: a process that is just being forked has
// the lock's file too, as this second descriptor has, until it runs its program.
func TestLockIsReleasedWithAChildStarting(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	held, err := lockFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(held.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	if err := held.release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockFolder(folder)
	if err != nil {
		t.Fatalf("not released: %v", err)
	}
	if err := again.release(); err != nil {
		t.Fatal(err)
	}
}
