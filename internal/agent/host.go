package agent

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"sync/atomic"
)

// hostCPU follows how busy the machine under the instance is, all its processes
// together. Only sample's goroutine writes.
type hostCPU struct {
	busy, total uint64
	now         atomic.Uint64 // bits of a float64, 0..1
}

// use is the machine's use over the last sample, 0 where it can't be known.
func (h *hostCPU) use() float64 { return math.Float64frombits(h.now.Load()) }

// sample ends one interval and begins the next.
func (h *hostCPU) sample() {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return // not Linux
	}
	busy, total, ok := cpuTimes(stat)
	if !ok {
		return
	}
	if total > h.total && h.total > 0 {
		h.now.Store(math.Float64bits(float64(busy-h.busy) / float64(total-h.total)))
	}
	h.busy, h.total = busy, total
}

// cpuTimes reads the first line of /proc/stat: "cpu" and the ticks spent as user,
// nice, system, idle, iowait, irq, softirq, steal, and guests, which user includes.
func cpuTimes(stat []byte) (busy, total uint64, ok bool) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return 0, 0, false
	}
	const idle, iowait = 3, 4
	for i, f := range fields[1:9] {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil {
			return 0, 0, false
		}
		total += n
		if i != idle && i != iowait {
			busy += n
		}
	}
	return busy, total, true
}
