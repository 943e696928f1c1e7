package runtimeapi

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
)

// BenchmarkInvoke is the Runtime API's share alone: workers that answer at once.
func BenchmarkInvoke(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) {
			e := serve(b, Config{MaxConcurrency: 16})
			for range 16 {
				w := e.worker()
				go w.echo()
			}
			e.until("workers", func() bool { return e.Idle() == 16 })
			var seq atomic.Int64
			body := []byte(`{"key":"value"}`)
			b.ReportAllocs()
			b.SetParallelism(max(clients/2, 1))
			b.ResetTimer()
			invoke := func() {
				inv := &Invocation{RequestID: strconv.FormatInt(seq.Add(1), 10), Body: body}
				if r, err := e.Invoke(context.Background(), inv); err != nil || r.Status != StatusOK {
					b.Fatalf("%+v %v", r, err)
				}
			}
			if clients == 1 {
				for b.Loop() {
					invoke()
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					invoke()
				}
			})
		})
	}
}
