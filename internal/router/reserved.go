package router

import (
	"sync"
	"sync/atomic"

	"github.com/lamina-dev/lamina"
)

// inFlight counts the invocations of one function or account, those that wait for a cold
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

// counter finds one of a map's, or adds it.
func counter(of *sync.Map, key string) *inFlight {
	if f, ok := of.Load(key); ok {
		return f.(*inFlight)
	}
	f, _ := of.LoadOrStore(key, new(inFlight))
	return f.(*inFlight)
}

// held is where an invocation counts; account is nil where it keeps no limit there.
type held struct{ function, account *inFlight }

// admit counts an invocation where it has a limit to keep: with its function, and
// with its account when it takes of what no function has set aside. Exactly one
// leave must follow, unless there is no room, for the reason given.
func (r *Router) admit(i *lamina.Invocation) (h held, reason string) {
	h.function = counter(&r.running, i.FunctionKey)
	if !h.function.begin(i.Reserved) {
		return held{}, ReasonReserved
	}
	if i.Account == "" {
		return h, ""
	}
	h.account = counter(&r.account, i.Account)
	if !h.account.begin(&i.Unreserved) {
		h.function.end()
		return held{}, ReasonThrottled
	}
	return h, ""
}

func (h held) leave() {
	if h.account != nil {
		h.account.end()
	}
	h.function.end()
}
