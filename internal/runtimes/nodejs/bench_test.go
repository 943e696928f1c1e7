package nodejs_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
)

// BenchmarkBootstrap compares what one invocation costs the runtime's process: the bootstrap on
// one worker thread against bare Runtime API loops in the same Node, the three in turn. CPU time
// is compared, since the clock's time on a small machine is mostly everybody else's.
//
//	go test -run '^$' -bench Bootstrap -benchtime 5x ./internal/runtimes/nodejs
func BenchmarkBootstrap(b *testing.B) {
	for _, runtime := range managedRuntimes {
		for _, clients := range []int{1, 16} {
			b.Run(runtime+"/"+strconv.Itoa(clients), func(b *testing.B) { compareLoops(b, runtime, clients) })
		}
	}
}

const perRound = 5000

func compareLoops(b *testing.B, runtime string, clients int) {
	const slots = 16
	one := map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": "1"}
	kinds := []string{"bootstrap", "bare-http.mjs", "bare-net.mjs"}
	fs := make([]*fn, len(kinds))
	for i, kind := range kinds {
		o := options{runtime: runtime, slots: slots, env: one}
		if i > 0 {
			o.instead, o.files = kind, map[string]string{kind: loop(b, kind)}
		}
		fs[i] = run(b, "export const handler = async (event) => event;", o).ready().idle(slots)
		fs[i].many(clients, perRound) // compiled and warm
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
	b.ReportMetric(float64(cpu[0])/float64(cpu[2]), "x-net")
}

func loop(b *testing.B, name string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// many invokes n times by some clients and gives the CPU time that the function's process used.
func (f *fn) many(clients, n int) time.Duration {
	f.t.Helper()
	before := f.cpu()
	body := []byte(`{"key":"value","list":[1,2,3]}`)
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
