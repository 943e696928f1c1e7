package agent_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/fleet/driver/process"
	"github.com/lamina-dev/lamina/internal/sandbox/oci"
	"github.com/lamina-dev/lamina/internal/wire"
)

// BenchmarkMemory tells what one more environment of an instance takes: the growth
// of its agent, the processes that the sandbox has beside the function's, and the
// function's own, which is a Go runtime that waits for its first event. Each is the
// slope between one environment and twenty, in KiB of proportional set size, which
// shares out what processes have in common. The kernel's own memory is not in it.
func BenchmarkMemory(b *testing.B) {
	for _, kind := range []string{"plain", "runc", "runsc"} {
		b.Run(kind, func(b *testing.B) {
			if kind != "plain" {
				if r := oci.Probe(b.Context(), oci.Kind(kind), oci.NetworkHost); r.Reason != "" {
					b.Skip(r.Reason)
				}
			}
			var sum memory
			for b.Loop() {
				sum = sum.plus(memoryOf(b, kind), 1)
			}
			n := float64(b.N)
			b.ReportMetric(sum.agent/n, "KiB-agent/env")
			b.ReportMetric(sum.helpers/n, "KiB-helpers/env")
			b.ReportMetric(sum.function/n, "KiB-function/env")
			b.ReportMetric(sum.processes/n, "helpers/env")
		})
	}
}

// memory is KiB, and how many processes the helpers are.
type memory struct{ agent, helpers, function, processes float64 }

func (m memory) plus(o memory, times float64) memory {
	return memory{m.agent + times*o.agent, m.helpers + times*o.helpers, m.function + times*o.function, m.processes + times*o.processes}
}

// memoryOf starts an instance and gives what each environment beyond the first adds.
func memoryOf(b *testing.B, kind string) memory {
	s := newServer(b)
	d, err := process.New(process.Config{Dir: filepath.Join(tempDir(b), "i")})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	defer func() { cancel(); <-done }()
	const id = "i-0123456789abcdef0"
	handle, err := d.Launch(b.Context(), driver.Spec{
		Instance:   lamina.Instance{ID: id, Token: "secret", VCPUs: 64, MemoryMiB: 256 << 10},
		ServerAddr: s.addr(), Settings: driver.Settings{VCPUCores: 0.1, Sandbox: kind},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		d.Terminate(context.Background(), id, handle)
		<-d.Gone()
	}()
	agent, _ := strconv.Atoi(handle[:strings.IndexByte(handle, ':')])
	const many = 20
	var specs []wire.EnvironmentSpec
	grow := func(n int) memory {
		for len(specs) < n {
			specs = append(specs, goSpec(b, s, 1))
		}
		s.assign(specs...)
		for _, e := range specs {
			s.waitState(e.ID, wire.EnvironmentReady)
		}
		time.Sleep(3 * time.Second) // until what starting took is given back
		return measure(b, agent)
	}
	one := grow(1)
	return memory{}.plus(grow(many), 1.0/(many-1)).plus(one, -1.0/(many-1))
}

// measure adds up an agent's tree.
func measure(b *testing.B, agent int) (m memory) {
	b.Helper()
	for _, pid := range descendants(agent) {
		own, guest := setSize(pid)
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		switch {
		case pid == agent:
			m.agent += own
		case filepath.Base(exe) == "bootstrap":
			m.function += own
		default:
			m.helpers += own
			m.processes++
		}
		m.function += guest
	}
	return m
}

// setSize is a process's proportional set size in KiB; guest is the part that holds
// the memory of gVisor's guests. A process that has ended has none.
func setSize(pid int) (own, guest float64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	inGuest := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		fields := strings.Fields(line)
		switch {
		case len(fields) > 1 && strings.Contains(fields[0], "-") && !strings.HasSuffix(fields[0], ":"): // a mapping's first line
			inGuest = strings.Contains(line, "runsc-memory")
		case len(fields) > 1 && fields[0] == "Pss:":
			kib, _ := strconv.ParseFloat(fields[1], 64)
			if inGuest {
				guest += kib
			} else {
				own += kib
			}
		}
	}
	return own, guest
}
