package router

import "sync/atomic"

// inFlight counts the invocations of one function, those that wait for a cold
// start among them. It counts without a limit too: one may be set at any time.
type inFlight struct{ n atomic.Int64 }

// begin counts one more, but never above a limit.
func (f *inFlight) begin(limit *int32) bool {
	if limit == nil {
		f.n.Add(1)
		return true
	}
	for {
		n := f.n.Load()
		if n >= int64(*limit) {
			return false
		}
		if f.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (f *inFlight) end() { f.n.Add(-1) }
