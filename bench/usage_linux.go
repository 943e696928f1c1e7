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

// pss is a process's resident memory in KiB, of which pages that several have count in parts; 0 when it is gone.
func pss(pid int) float64 {
	return kibOf(readFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup")), "Pss")
}

// kernelMemory is what the kernel holds for processes and files, in KiB: of the
// whole machine, so of everybody on it.
func kernelMemory() float64 {
	text := readFile("/proc/meminfo")
	return kibOf(text, "Slab") + kibOf(text, "KernelStack") + kibOf(text, "PageTables") + kibOf(text, "Percpu")
}

// kibOf finds a line like "Pss: 12 kB".
func kibOf(text, key string) float64 {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key+":" {
			n, _ := strconv.ParseFloat(f[1], 64) // the kernel writes numbers
			return n
		}
	}
	return 0
}
