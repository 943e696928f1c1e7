package router

import (
	"encoding/json"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
)

// target is one version's environments and the state its invocations share.
type target struct {
	envs     atomic.Pointer[[]*endpoint]
	installs atomic.Int64
	refused  atomic.Int64 // 429s since the last Load
	waiting  atomic.Int64 // cold starts

	mu       sync.Mutex
	changed  chan struct{} // closed at the next install, release while someone waits, or failure
	failed   *failure
	failSeen int
}

// endpoint is an Endpoint with its load.
type endpoint struct {
	id, addr string
	slots    int64
	inFlight atomic.Int64
	served   atomic.Int64 // since the last Load
	idleFrom atomic.Int64 // unix nanoseconds
}

func newTarget() *target {
	t := &target{changed: make(chan struct{})}
	t.envs.Store(new([]*endpoint))
	return t
}

func (t *target) install(list []lamina.Endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := map[string]*endpoint{}
	for _, e := range *t.envs.Load() {
		known[e.id] = e
	}
	envs := make([]*endpoint, 0, len(list))
	for _, l := range list {
		e := known[l.EnvironmentID]
		if e == nil || e.addr != l.Addr || e.slots != int64(l.Slots) {
			e = &endpoint{id: l.EnvironmentID, addr: l.Addr, slots: int64(l.Slots)}
			e.idleFrom.Store(time.Now().UnixNano())
		}
		envs = append(envs, e)
	}
	t.envs.Store(&envs)
	t.installs.Add(1)
	t.broadcast()
}

func (t *target) fail(f *failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = f
	t.failSeen++
	t.broadcast()
}

func (t *target) broadcast() {
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *target) changedChan() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

func (t *target) failures() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failSeen
}

func (t *target) failedSince(seen int) *failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failSeen > seen {
		return t.failed
	}
	return nil
}

func (t *target) wait(n int64) { t.waiting.Add(n) }

func (t *target) release(e *endpoint) {
	if e.inFlight.Add(-1) == 0 {
		e.idleFrom.Store(time.Now().UnixNano())
	}
	if t.waiting.Load() > 0 {
		t.mu.Lock()
		t.broadcast()
		t.mu.Unlock()
	}
}

func (t *target) load() lamina.Load {
	l := lamina.Load{Waiting: int(t.waiting.Load()), Refused: t.refused.Swap(0), Environments: map[string]lamina.EnvironmentLoad{}}
	for _, e := range *t.envs.Load() {
		n := int(e.inFlight.Load())
		l.InFlight += n
		l.Served += e.served.Swap(0)
		l.Environments[e.id] = lamina.EnvironmentLoad{InFlight: n, IdleSince: time.Unix(0, e.idleFrom.Load())}
	}
	return l
}

// acquire takes a slot if one is free.
func (e *endpoint) acquire() bool {
	if e.inFlight.Add(1) > e.slots {
		e.inFlight.Add(-1)
		return false
	}
	return true
}

// choices gives two random environments, the less loaded first, then all in turn.
func choices(envs []*endpoint) iter.Seq[*endpoint] {
	return func(yield func(*endpoint) bool) {
		n := len(envs)
		if n == 0 {
			return
		}
		start := rand.IntN(n)
		a, b := envs[start], envs[rand.IntN(n)]
		if b.load() < a.load() {
			a, b = b, a
		}
		if !yield(a) || (b != a && !yield(b)) {
			return
		}
		for i := range n {
			if e := envs[(start+i)%n]; e != a && e != b && !yield(e) {
				return
			}
		}
	}
}

func (e *endpoint) load() float64 { return float64(e.inFlight.Load()) / float64(e.slots) }

// failure is why no environment of an ordinary function comes.
type failure struct{ errorType, message string }

func (f failure) result(requestID string) Result {
	body, err := json.Marshal(map[string]string{
		"errorType":    f.errorType,
		"errorMessage": "RequestId: " + requestID + " Error: " + f.message,
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	return Result{FunctionError: true, ErrorType: f.errorType, ContentType: "application/json", Body: body}
}
