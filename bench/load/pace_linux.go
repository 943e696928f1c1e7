package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// precise prepares the pacing goroutine: an idle Go process wakes for timers
// only every millisecond, so the pace is kept by a thread of its own.
func precise() (end func()) {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it the pace is some 50 µs coarser
	return runtime.UnlockOSThread
}

func sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // cut short by a signal, one request leaves early
}
