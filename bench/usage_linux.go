package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's unit of the times in /proc/<pid>/stat: 1/100 s on every architecture that Go knows.
const tick = time.Second / 100

// cpuTime is what a running process has used so far; 0 when it is gone.
// (rusage tells it of children only once they have ended.)
func cpuTime(pid int) time.Duration {
	f := statFields(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64) // the kernel writes numbers
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * tick
}

// statFields are those behind the name, which may hold blanks itself.
func statFields(path string) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
}

// descendants gives all processes below one, with their command lines.
func descendants(pid int) map[int]string {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, path := range stats {
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if f := statFields(path); err == nil && len(f) > 1 {
			parents[id], _ = strconv.Atoi(f[1])
		}
	}
	below := map[int]string{}
	for id := range parents {
		for p := parents[id]; p != 0; p = parents[p] {
			if p == pid {
				raw, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(id), "cmdline")) // it may have ended
				below[id] = strings.ReplaceAll(string(raw), "\x00", " ")
				break
			}
		}
	}
	return below
}
