package python_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
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

// loops are the bootstrap and the bare ones of testdata.
var loops = []string{"bootstrap", "bare-http.py", "bare-socket.py"}

func compareLoops(b *testing.B, clients int) {
	const slots, perRound = 16, 3200
	var all []runtimestest.Loop
	for i, name := range loops {
		o := options{Slots: slots}
		if i > 0 {
			o.Instead, o.Packages = name, "testdata"
		}
		all = append(all, runtimestest.Loop{Name: name, Env: run(b, "def handler(event, context): return event", o).WaitReady().WaitIdle(slots)})
	}
	runtimestest.CompareCost(b, perRound, clients, `{"key": "value", "list": [1, 2, 3]}`, all...)
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
				o.Packages = os.Getenv("LAMINA_BENCH_PACKAGES")
				if o.Packages == "" {
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
		o.Env = map[string]string{"LAMINA_NO_PRELOAD": "1"}
		without.add(startThree(b, code, o))
		o.Env = nil
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
	o.Slots = 16
	var fs []*fn
	begin := time.Now()
	for range 3 {
		fs = append(fs, run(b, code, o))
	}
	for _, f := range fs {
		f.WaitReady().WaitIdle(o.Slots)
	}
	s.clock = time.Since(begin)
	for _, f := range fs {
		s.cpu += f.CPU()
		s.pss += f.PSS()
		f.Kill()
	}
	return s
}

// BenchmarkWatch says what the watch of `lamina check` costs an invocation, without pauses: a handler
// of an ordinary size with some variables and a class, with the watch and without.
//
//	go test -run '^$' -bench Watch -benchtime 5x ./internal/runtimes/python
func BenchmarkWatch(b *testing.B) {
	const code = `import json, os, logging
from collections import defaultdict
log = logging.getLogger("orders")
PRICES = {f"item-{i}": i * 100 for i in range(50)}
counts = defaultdict(int)
class Order:
    discounts = [(1000, 0.9), (500, 0.95)]
    def __init__(self, lines):
        self.lines = lines
    def total(self):
        whole = 0
        for item, count in self.lines.items():
            whole += PRICES.get(item, 0) * count
        return next((whole * f for least, f in self.discounts if whole > least), whole)
def handler(event, context):
    order = Order({f"item-{i}": i for i in event["list"]})
    counts[len(order.lines)] += 1
    text = json.dumps({"total": order.total(), "lines": sorted(order.lines)})
    json.loads(text)
    return event
`
	const slots = 4
	start := func(watch string) *runtimestest.Environment {
		return run(b, code, options{Slots: slots, Watch: watch}).WaitReady().WaitIdle(slots)
	}
	runtimestest.CompareLatency(b, 500, `{"key": "value", "list": [1, 2, 3]}`,
		runtimestest.Loop{Name: "watched", Env: start(`"seed": 1`)}, runtimestest.Loop{Name: "plain", Env: start("")})
}

// BenchmarkNoWatch compares the bootstrap without `lamina check` with one whose watch was taken out, each twice:
// what the same one differs from itself by is noise.
//
//	go test -run '^$' -bench NoWatch -benchtime 5x ./internal/runtimes/python
func BenchmarkNoWatch(b *testing.B) {
	out := runtimestest.TakeOut("laminaruntime/check", "laminaruntime/worker.py", `        check = os.environ.pop("LAMINA_CHECK", "")`,
		"            if check:\n                from .check import watched\n\n                handler = watched(handler, check)")
	start := func(alter func(string) error) *runtimestest.Environment {
		return run(b, "def handler(event, context): return event", options{Slots: 1, Alter: alter}).WaitReady().WaitIdle(1)
	}
	runtimestest.CompareCost(b, 3200, 1, `{"key": "value", "list": [1, 2, 3]}`,
		runtimestest.Loop{Name: "off", Env: start(nil)}, runtimestest.Loop{Name: "absent", Env: start(out)},
		runtimestest.Loop{Name: "off-again", Env: start(nil)}, runtimestest.Loop{Name: "absent-again", Env: start(out)})
}
