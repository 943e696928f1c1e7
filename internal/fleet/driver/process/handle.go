package process

import (
	"fmt"
	"strconv"
	"strings"
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

// alive says whether the process runs; one that only waits to be reaped does not.
func (h handle) alive() bool {
	if h.pid == 0 {
		return false
	}
	start, zombie, err := processStart(h.pid)
	return err == nil && !zombie && start == h.start
}
