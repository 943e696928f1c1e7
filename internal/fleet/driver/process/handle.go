package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// handle names a process for ever: its id, and its start time since ids are
// used again.
type handle struct {
	pid   int
	start uint64 // in the system's own unit
}

func (h handle) String() string {
	if h.pid == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", h.pid, h.start)
}

func parseHandle(text string) (handle, error) {
	if text == "" {
		return handle{}, nil
	}
	p, s, _ := strings.Cut(text, ":")
	pid, err := strconv.Atoi(p)
	start, err2 := strconv.ParseUint(s, 10, 64)
	if err != nil || err2 != nil || pid <= 1 {
		return handle{}, fmt.Errorf("%q is no handle of a process", text)
	}
	return handle{pid: pid, start: start}, nil
}

// runs says whether the process runs; one that only waits to be reaped does not.
// The error is that nobody could tell: this process has no free descriptor, say.
func (h handle) runs() (bool, error) {
	if h.pid == 0 {
		return false, nil
	}
	start, zombie, err := processStart(h.pid)
	switch {
	case err == nil:
		return !zombie && start == h.start, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return false, nil
	default:
		return false, fmt.Errorf("ask for process %d: %w", h.pid, err)
	}
}

// alive is false when the process is known to be dead: what it leaves is removed then.
func (h handle) alive() bool {
	runs, err := h.runs()
	return runs || err != nil
}

// pollInterval is used where the kernel has no process descriptors (Linux before 5.10, macOS).
const pollInterval = 300 * time.Millisecond

func (h handle) poll(ctx context.Context) error {
	t := time.NewTicker(pollInterval)
	defer t.Stop()
	for h.alive() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
