package java_test

import (
	"strconv"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

// BenchmarkBootstrap compares what one invocation costs the JVM: the bootstrap with a stream handler
// against bare Runtime API loops in the same Java, and with a handler that takes and gives maps.
//
//	go test -run '^$' -bench Bootstrap -benchtime 5x ./internal/runtimes/java
func BenchmarkBootstrap(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) { compareLoops(b, clients) })
	}
}

func compareLoops(b *testing.B, clients int) {
	const slots, perRound = 16, 8000
	var all []runtimestest.Loop
	for _, l := range []struct{ name, class, instead string }{
		{"bootstrap", "EchoStream", ""}, {"bare-http", "Echo", "BareHttp.java"}, {"bare-socket", "Echo", "BareSocket.java"}, {"bootstrap-maps", "Echo", ""},
	} {
		o := options{Slots: slots}
		if l.instead != "" {
			o.Instead, o.Packages = l.instead, "testdata"
		}
		f := run(b, l.class, o).WaitReady().WaitIdle(slots)
		f.Many(clients, 3*perRound, event) // compiled
		all = append(all, runtimestest.Loop{Name: l.name, Env: f})
	}
	runtimestest.CompareCost(b, perRound, clients, event, all...)
}

const event = `{"key":"value","list":[1,2,3]}`
