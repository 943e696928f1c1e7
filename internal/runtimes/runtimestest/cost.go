package runtimestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
)

// Loop is one of those whose cost is compared.
type Loop struct {
	Name string
	Env  *Environment
}

// CompareCost reports the CPU time that an invocation costs each loop's processes, and how many
// times the others' the first one's is. The loops take turns, and they echo the event. CPU time is
// compared, since the clock's time on a small machine is mostly everybody else's.
func CompareCost(b *testing.B, perRound, clients int, event string, loops ...Loop) {
	for _, l := range loops {
		l.Env.Many(clients, perRound, event) // compiled and warm
	}
	cpu := make([]time.Duration, len(loops))
	rounds := 0
	for b.Loop() {
		for i, l := range loops {
			cpu[i] += l.Env.Many(clients, perRound, event)
		}
		rounds++
	}
	for i, l := range loops {
		b.ReportMetric(float64(cpu[i].Microseconds())/float64(rounds*perRound), l.Name+"-cpu-µs/invoke")
		if i > 0 {
			b.ReportMetric(float64(cpu[0])/float64(cpu[i]), "x-"+l.Name)
		}
	}
}

// TakeOut takes lines out of a file of the bootstrap, and a folder besides: Options.Alter for a bootstrap as if
// it had never had them.
func TakeOut(folder, file string, lines ...string) func(dir string) error {
	return func(dir string) error {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		for _, line := range lines {
			before := len(text)
			if text = bytes.Replace(text, []byte(line+"\n"), nil, 1); len(text) == before {
				return fmt.Errorf("%s has no line %q", file, line)
			}
		}
		return errors.Join(os.WriteFile(filepath.Join(dir, file), text, 0o644), os.RemoveAll(filepath.Join(dir, folder)))
	}
}

// CompareLatency reports the time that an invocation takes its caller, one after the other, in each loop:
// the median, which other work on the machine moves least, and how many times the others' the first one's is.
func CompareLatency(b *testing.B, perRound int, event string, loops ...Loop) {
	took := make([][]time.Duration, len(loops))
	for b.Loop() {
		for i, l := range loops {
			for n := range perRound {
				begin := time.Now()
				inv := &runtimeapi.Invocation{RequestID: "8f0f2c0a-5f0e-4c5e-9a53-" + strconv.Itoa(n), Body: []byte(event)}
				if _, err := l.Env.Invoke(context.Background(), inv); err != nil {
					b.Fatal(err)
				}
				took[i] = append(took[i], time.Since(begin))
			}
		}
	}
	for i, l := range loops {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds()), l.Name+"-µs/invoke")
		if i > 0 {
			b.ReportMetric(float64(took[0][len(took[0])/2])/float64(took[i][len(took[i])/2]), "x-"+l.Name)
		}
	}
}

// Many invokes n times by some clients and gives the CPU time that the function's processes used.
func (f *Environment) Many(clients, n int, event string) time.Duration {
	f.t.Helper()
	before := f.CPU()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range n / clients {
				inv := &runtimeapi.Invocation{RequestID: "8f0f2c0a-5f0e-4c5e-9a53-" + strconv.Itoa(c*n+i), TraceID: "Root=1-2-3", Body: []byte(event)}
				if res, err := f.Invoke(context.Background(), inv); err != nil || string(res.Body) != event {
					f.t.Errorf("%v %s", err, res.Body)
					return
				}
			}
		})
	}
	wg.Wait()
	return f.CPU() - before
}

// CPU is the processor time that the environment's processes used so far.
func (f *Environment) CPU() time.Duration {
	f.t.Helper()
	u, err := f.Process.Usage()
	must(f.t, err)
	return u.CPU
}

// PSS gives the memory of the environment's processes in MiB, where pages that they share count once.
func (f *Environment) PSS() (sum float64) {
	f.t.Helper()
	if f.Process.PID() <= 0 {
		f.t.Skip("no PID")
	}
	for _, pid := range family(strconv.Itoa(f.Process.PID())) {
		text, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		if err != nil {
			continue // a kernel thread, or gone
		}
		for line := range strings.Lines(string(text)) {
			var kb float64
			if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kb); n == 1 {
				sum += kb / 1024
			}
		}
	}
	return sum
}

// family are a process and all its descendants.
func family(pid string) []string {
	pids := []string{pid}
	children, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	for _, child := range strings.Fields(string(children)) {
		pids = append(pids, family(child)...)
	}
	return pids
}
