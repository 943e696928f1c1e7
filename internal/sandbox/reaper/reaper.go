// Package reaper is the first process of an environment.
//
// The kernel treats the first process of a PID namespace as no other: no signal of
// its own reaches it, abort ends it as a segmentation fault, and orphans become its
// children. So that process is none of the function's, as on AWS, but a program of a
// few dozen instructions: it starts the command in its arguments, buries the dead,
// and when the command has ended it ends, with which the kernel kills who is left.
// It has a page or two of memory (decision 0032).
package reaper

import (
	"encoding/binary"
	"fmt"
	"io"
	"syscall"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// FD is the descriptor, if there is one, on which the reaper tells of the command:
// how its start went, and how it ended. The command has neither it nor the one before it.
const FD = 4

// Argv are a reaper's arguments to run the program at path with argv.
func Argv(path string, argv []string) []string { return append([]string{"lamina", path}, argv...) }

// Child is the command that a reaper has started.
type Child struct {
	PID   int // as this process sees it; 0: it had ended before that could be found
	first int // the reaper's
	told  io.ReadCloser
}

// Hear waits until the reaper, the process first, tells how the start went. An error
// is the kernel's word on the command (syscall.Errno), or there is no reaper any more.
func Hear(first int, told io.ReadCloser) (*Child, error) {
	var word [8]byte // zero, then the command's PID as its namespace counts, or the error's number below zero
	if _, err := io.ReadFull(told, word[:]); err != nil {
		return nil, fmt.Errorf("hearing from the environment's first process: %w", err)
	}
	n := int32(binary.NativeEndian.Uint32(word[4:]))
	if n < 0 {
		return nil, syscall.Errno(-n)
	}
	return &Child{PID: sandbox.Outside(first, int(n)), first: first, told: told}, nil
}

// Signal signals the command; one that has ended is no error.
func (c *Child) Signal(sig syscall.Signal) error {
	return sandbox.SignalChild(c.first, c.PID, sig)
}

// PIDOr is the command's PID, else first's where there is no child or it is not known.
func (c *Child) PIDOr(first int) int {
	if c == nil || c.PID == 0 {
		return first
	}
	return c.PID
}

// Exit reads how the command ended, once the reaper has; other is how that did, which
// stands where there is no child, or the reaper was killed. It ends itself with the
// command's status, with 128 and the signal's number where that was a signal, and
// with 127 where nothing could be started.
func (c *Child) Exit(other sandbox.Exit) sandbox.Exit {
	if c == nil {
		return other
	}
	defer c.told.Close()
	var status [4]byte
	if _, err := io.ReadFull(c.told, status[:]); err != nil {
		return other
	}
	return sandbox.ExitOfStatus(syscall.WaitStatus(binary.NativeEndian.Uint32(status[:])))
}
