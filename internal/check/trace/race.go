package trace

import (
	"fmt"
	"time"
)

// Race is two accesses to one place of memory that nothing keeps in order.
type Race struct {
	At     time.Time // when it was told: in the later access
	This   Access    // the later one
	Before Access
}

// Access is one of the two.
type Access struct {
	Write bool
	Stack []Frame // innermost first
}

// Frame is a call on the stack.
type Frame struct {
	Function, File string
	Line           int
	Own            bool // in the function's own code, its file relative to the code's folder
}

// String is the frame in a report: "main.handler main.go:12".
func (f Frame) String() string { return fmt.Sprintf("%s %s:%d", f.Function, f.File, f.Line) }

// Frames are those in the function's own code; all where there are none.
func (a Access) Frames() (own []Frame) {
	for _, f := range a.Stack {
		if f.Own {
			own = append(own, f)
		}
	}
	if len(own) == 0 {
		return a.Stack
	}
	return own
}
