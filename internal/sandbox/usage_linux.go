package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the kernel's unit of process times for user space, 100 per
// second on every architecture that Go supports.
const clockTick = time.Second / 100

// TreeUsage sums up a process and its living descendants from /proc.
func TreeUsage(pid int) (Usage, error) {
	var sum Usage
	todo := []int{pid}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		u, err := processUsage(p)
		if err != nil {
			if p == pid {
				return sum, err
			}
			continue // gone meanwhile
		}
		sum.CPU += u.CPU
		sum.MemoryBytes += u.MemoryBytes
		todo = append(todo, Children(p)...)
	}
	return sum, nil
}

// processUsage reads one process's times, its waited-for children included,
// and its resident set.
func processUsage(pid int) (Usage, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("reading process usage: %w", err)
	}
	// The second field is the command in parentheses and may hold anything.
	_, rest, ok := strings.Cut(string(data[strings.LastIndexByte(string(data), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 22 {
		return Usage{}, fmt.Errorf("unknown format of /proc/%d/stat", pid)
	}
	var u Usage
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		u.CPU += time.Duration(n) * clockTick
	}
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	u.MemoryBytes = pages * int64(os.Getpagesize())
	return u, nil
}
