package python_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
)

// BenchmarkBootstrap compares what one invocation costs the runtime's processes: the bootstrap
// against bare Runtime API loops in the same Python, the three in turn. CPU time is compared,
// since the clock's time on a small machine is mostly everybody else's.
//
//	go test -run '^$' -bench Bootstrap -benchtime 5x ./internal/runtimes/python
func BenchmarkBootstrap(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) { compareLoops(b, clients) })
	}
}

const perRound = 3200

func compareLoops(b *testing.B, clients int) {
	const slots = 16
	kinds := []string{"bootstrap", "bare-http.py", "bare-socket.py"}
	fs := make([]*fn, len(kinds))
	for i, kind := range kinds {
		o := options{slots: slots}
		if i > 0 {
			o.instead, o.files = kind, map[string]string{kind: loop(b, kind)}
		}
		fs[i] = run(b, "def handler(event, context): return event", o).ready().idle(slots)
		fs[i].many(clients, perRound)
	}
	cpu := make([]time.Duration, len(kinds))
	rounds := 0
	for b.Loop() {
		for i, f := range fs {
			cpu[i] += f.many(clients, perRound)
		}
		rounds++
	}
	for i, kind := range kinds {
		b.ReportMetric(float64(cpu[i].Microseconds())/float64(rounds*perRound), kind+"-cpu-µs/invoke")
	}
	b.ReportMetric(float64(cpu[0])/float64(cpu[1]), "x-http")
	b.ReportMetric(float64(cpu[0])/float64(cpu[2]), "x-socket")
}

func loop(b *testing.B, name string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// many invokes n times by some clients and gives the CPU time that the function's processes used.
func (f *fn) many(clients, n int) time.Duration {
	f.t.Helper()
	before := f.cpu()
	body := []byte(`{"key": "value", "list": [1, 2, 3]}`)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range n / clients {
				inv := &runtimeapi.Invocation{RequestID: "8f0f2c0a-5f0e-4c5e-9a53-" + strconv.Itoa(c*n+i), TraceID: "Root=1-2-3", Body: body}
				if res, err := f.Invoke(context.Background(), inv); err != nil || string(res.Body) != string(body) {
					f.t.Errorf("%v %s", err, res.Body)
					return
				}
			}
		})
	}
	wg.Wait()
	return f.cpu() - before
}

func (f *fn) cpu() time.Duration {
	f.t.Helper()
	u, err := f.proc.Usage()
	if err != nil {
		f.t.Fatal(err)
	}
	return u.CPU
}

// BenchmarkStart compares three environments of 16 workers with and without what the first
// process prepares for all (preload.py): the CPU time and the clock's until all can take events,
// and their memory, where pages that processes share count once (PSS).
//
//	go test -run '^$' -bench Start -benchtime 5x ./internal/runtimes/python
//
// LAMINA_BENCH_PACKAGES names a folder with boto3, for the case of that name.
func BenchmarkStart(b *testing.B) {
	sdk := "import boto3\nfrom botocore.config import Config\n" + small
	for name, code := range map[string]string{"small": small, "library": library + small, "boto3": sdk} {
		b.Run(name, func(b *testing.B) {
			o := options{}
			if name == "boto3" {
				o.packages = os.Getenv("LAMINA_BENCH_PACKAGES")
				if o.packages == "" {
					b.Skip("no LAMINA_BENCH_PACKAGES")
				}
			}
			compareStarts(b, code, o)
		})
	}
}

const (
	small   = "import json\ndef handler(event, context): return event\n"
	library = "import asyncio, concurrent.futures, datetime, decimal, email, hashlib, http.client, ssl, urllib.request, uuid, xml.etree.ElementTree\n"
)

func compareStarts(b *testing.B, code string, o options) {
	var with, without started
	rounds := 0
	for b.Loop() {
		o.env = map[string]string{"LAMINA_NO_PRELOAD": "1"}
		without.add(startThree(b, code, o))
		o.env = nil
		with.add(startThree(b, code, o))
		rounds++
	}
	n := float64(rounds)
	b.ReportMetric(float64(without.clock.Milliseconds())/n, "before-ms")
	b.ReportMetric(float64(with.clock.Milliseconds())/n, "after-ms")
	b.ReportMetric(float64(with.clock)/float64(without.clock), "x-clock")
	b.ReportMetric(float64(with.cpu)/float64(without.cpu), "x-cpu")
	b.ReportMetric(without.pss/n, "before-MiB")
	b.ReportMetric(with.pss/n, "after-MiB")
	b.ReportMetric(with.pss/without.pss, "x-memory")
}

type started struct {
	clock, cpu time.Duration
	pss        float64 // MiB of all
}

func (s *started) add(o started) {
	s.clock, s.cpu, s.pss = s.clock+o.clock, s.cpu+o.cpu, s.pss+o.pss
}

func startThree(b *testing.B, code string, o options) (s started) {
	b.Helper()
	o.slots = 16
	var fs []*fn
	begin := time.Now()
	for range 3 {
		fs = append(fs, run(b, code, o))
	}
	for _, f := range fs {
		f.ready().idle(o.slots)
	}
	s.clock = time.Since(begin)
	for _, f := range fs {
		s.cpu += f.cpu()
		s.pss += f.pss()
		f.proc.Kill()
		<-f.proc.Done()
	}
	return s
}

// pss gives the memory of an environment's processes, in MiB.
func (f *fn) pss() (sum float64) {
	f.t.Helper()
	if f.proc.PID() <= 0 {
		f.t.Skip("no PID")
	}
	for _, pid := range family(strconv.Itoa(f.proc.PID())) {
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
