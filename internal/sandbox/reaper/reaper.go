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
)

// FD is the descriptor, if there is one, on which the reaper tells of the command:
// Began, then Ended. The command has neither it nor the one before it.
const FD = 4

// Argv are a reaper's arguments to run the program at path with argv.
func Argv(path string, argv []string) []string { return append([]string{"lamina", path}, argv...) }

// Began reads how the start went: the command's PID, as its namespace counts, or
// why it could not be started. Its first byte is 0.
func Began(r io.Reader) (pid int, err error) {
	var word [8]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return 0, fmt.Errorf("hearing from the environment's first process: %w", err)
	}
	n := int32(binary.NativeEndian.Uint32(word[4:]))
	if n < 0 {
		return 0, syscall.Errno(-n)
	}
	return int(n), nil
}

// Ended reads how the command ended, once the reaper has; false: it was killed, or
// had nothing to tell. It ends itself with the command's status, with 128 and the
// signal's number where that was a signal, and with 127 without a command.
func Ended(r io.Reader) (syscall.WaitStatus, bool) {
	var status [4]byte
	_, err := io.ReadFull(r, status[:])
	return syscall.WaitStatus(binary.NativeEndian.Uint32(status[:])), err == nil
}
