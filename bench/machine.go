package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine is what the figures hold for.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	System string `json:"system"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Load   string `json:"load"` // the load average as the run begins: what others do here
	Held   held   `json:"held"` // as the run begins
}

func thisMachine() machine {
	return machine{
		CPU: cpuName(), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: strings.TrimSpace(readFile("/proc/sys/kernel/osrelease")), Go: runtime.Version(),
		Load: strings.TrimSpace(readFile("/proc/loadavg")), Held: watchCores(time.Second),
	}
}

// print says when and where a run was.
func (m machine) print(w io.Writer, date time.Time) {
	fmt.Fprintf(w, "%s: %d cores of %s, %s, kernel %s, %s\n", date.Format("2006-01-02 15:04"), m.Cores, m.CPU, m.System, m.Kernel, m.Go)
	if m.Load != "" {
		fmt.Fprintf(w, "load average at the start: %s\n", m.Load)
	}
	fmt.Fprintf(w, "of the cores others had %.1f %% of a second at the start, up to %.1f ms at once\n", m.Held.Percent, m.Held.Longest/1000)
}

// cpuName is the processor's name where the system tells it in Linux's way.
func cpuName() string {
	for line := range strings.Lines(readFile("/proc/cpuinfo")) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// readFile is a file's text, empty where there is none.
func readFile(name string) string {
	raw, _ := os.ReadFile(name)
	return string(raw)
}
