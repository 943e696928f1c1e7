//go:build !linux

package sandbox

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// TreeUsage asks ps for the session's processes.
func TreeUsage(pid int) (Usage, error) {
	out, err := exec.Command("ps", "-g", strconv.Itoa(pid), "-o", "rss=,time=").Output()
	if err != nil {
		return Usage{}, fmt.Errorf("reading process usage: %w", err)
	}
	var u Usage
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		kb, _ := strconv.ParseInt(fields[0], 10, 64)
		u.MemoryBytes += kb << 10
		u.CPU += clockTime(fields[1])
	}
	return u, nil
}

// clockTime reads ps's [[hours:]minutes:]seconds[.hundredths].
func clockTime(s string) time.Duration {
	var d time.Duration
	for part := range strings.SplitSeq(s, ":") {
		sec, _ := strconv.ParseFloat(part, 64)
		d = d*60 + time.Duration(sec*float64(time.Second))
	}
	return d
}
