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

// BenchmarkWatch says what the watch of `lamina check` costs an invocation, without pauses: a handler
// of an ordinary size with some variables and a class, with the watch and without.
//
//	go test -run '^$' -bench Watch -benchtime 5x ./internal/runtimes/nodejs
func BenchmarkWatch(b *testing.B) {
	const code = `const prices = Object.fromEntries(Array.from({ length: 50 }, (_, i) => ["item-" + i, i * 100]));
const counts = new Map();
class Order {
  static discounts = [[1000, 0.9], [500, 0.95]];
  constructor(lines) { this.lines = lines; }
  total() {
    const whole = Object.entries(this.lines).reduce((sum, [item, count]) => sum + (prices[item] ?? 0) * count, 0);
    return whole * (Order.discounts.find(([least]) => whole > least)?.[1] ?? 1);
  }
}
export const handler = async (event) => {
  const order = new Order(Object.fromEntries(event.list.map((i) => ["item-" + i, i])));
  counts.set(event.list.length, (counts.get(event.list.length) ?? 0) + 1);
  JSON.parse(JSON.stringify({ total: order.total(), lines: Object.keys(order.lines).sort() }));
  return event;
};
`
	start := func(watch string) *runtimestest.Environment {
		return run(b, code, options{Slots: 4, Watch: watch, Env: oneThread}).WaitReady().WaitIdle(4)
	}
	runtimestest.CompareLatency(b, 500, `{"key":"value","list":[1,2,3]}`,
		runtimestest.Loop{Name: "watched", Env: start(`"seed": 1`)}, runtimestest.Loop{Name: "plain", Env: start("")})
}

// BenchmarkNoWatch compares the bootstrap without `lamina check` with one whose watch was taken out, each twice:
// what the same one differs from itself by is noise.
//
//	go test -run '^$' -bench NoWatch -benchtime 5x ./internal/runtimes/nodejs
func BenchmarkNoWatch(b *testing.B) {
	out := runtimestest.TakeOut("check", "worker.mjs",
		`  const check = env.LAMINA_CHECK && (await import("./check/watch.mjs")).watch(env.LAMINA_CHECK);`,
		`  delete env.LAMINA_CHECK;`, `    if (check) fn = check.around(fn);`)
	start := func(alter func(string) error) *runtimestest.Environment {
		return run(b, "export const handler = async (event) => event;", options{Slots: 4, Env: oneThread, Alter: alter}).WaitReady().WaitIdle(4)
	}
	runtimestest.CompareCost(b, 5000, 1, `{"key":"value","list":[1,2,3]}`,
		runtimestest.Loop{Name: "off", Env: start(nil)}, runtimestest.Loop{Name: "absent", Env: start(out)},
		runtimestest.Loop{Name: "off-again", Env: start(nil)}, runtimestest.Loop{Name: "absent-again", Env: start(out)})
}
