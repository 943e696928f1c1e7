package nodejs_test

import (
	"strconv"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
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

// loops are the bootstrap and the bare ones of testdata.
var loops = []string{"bootstrap", "bare-http.mjs", "bare-net.mjs"}

func compareLoops(b *testing.B, runtime string, clients int) {
	const slots, perRound = 16, 5000
	var all []runtimestest.Loop
	for i, name := range loops {
		o := options{Runtime: runtime, Slots: slots, Env: map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": "1"}}
		if i > 0 {
			o.Instead, o.Packages = name, "testdata"
		}
		all = append(all, runtimestest.Loop{Name: name, Env: run(b, "export const handler = async (event) => event;", o).WaitReady().WaitIdle(slots)})
	}
	runtimestest.CompareCost(b, perRound, clients, `{"key":"value","list":[1,2,3]}`, all...)
}
