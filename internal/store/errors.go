package store

import (
	"errors"
	"fmt"
)

// What a Store's methods answer besides faults of the medium.
var (
	ErrNotFound  = errors.New("store: key not found")
	ErrConflict  = errors.New("store: conflict")
	ErrCompacted = errors.New("store: revision no longer in history")
	ErrInvalid   = errors.New("store: invalid batch")
	ErrClosed    = errors.New("store: closed")
	ErrCorrupt   = errors.New("store: corrupt")
	ErrLeaseHeld = errors.New("store: lease held by another")
	ErrLeaseLost = errors.New("store: lease lost")
)

// ConflictError names the guard that did not hold. It is ErrConflict.
type ConflictError struct {
	Guard    Guard
	Revision int64 // what was found instead: 0 for a missing key or an unknown past
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("store: conflict: want %s, found revision %d", e.Guard, e.Revision)
}

// Is makes the error an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// LeaseHeldError names who has the lease. It is ErrLeaseHeld.
type LeaseHeldError struct {
	Name   string
	Holder string
}

func (e *LeaseHeldError) Error() string {
	return fmt.Sprintf("store: lease %q held by %q", e.Name, e.Holder)
}

// Is makes the error an ErrLeaseHeld.
func (e *LeaseHeldError) Is(target error) bool { return target == ErrLeaseHeld }

// CorruptError says which file is damaged and how it shows. It is ErrCorrupt.
type CorruptError struct {
	File   string
	Detail string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("store: %s is corrupt: %s; restore it from a backup, or run `lamina reset` to start empty", e.File, e.Detail)
}

// Is makes the error an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
