package process

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// hostMemory gives the memory in MiB: all of it, and what new processes could
// have; -1 when it can't be learned.
func hostMemory() (total, free int64) {
	total, free = 0, -1
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return total, free
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		kib, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			total = kib >> 10
		case "MemAvailable":
			free = kib >> 10
		}
	}
	return total, free
}
