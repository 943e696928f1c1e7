//go:build !linux

package bed

import "github.com/lamina-dev/lamina/internal/check/trace"

// Measure looks at the processes; false where they can't be looked at.
func (e *Environment) Measure() (m trace.Measure, ok bool) { return m, false }

// Workers are the processes that may be held and let go one by one; none are known here.
func (e *Environment) Workers() []int { return nil }

// Hold stops a worker until the returned call.
func (e *Environment) Hold(int) (release func()) { return func() {} }
