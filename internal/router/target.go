package router

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina"
)

// target is one version's environments and the state its invocations share.
type target struct {
	serving  atomic.Pointer[serving]
	installs atomic.Int64
	refused  atomic.Int64 // 429s since the last Load
	waiting  atomic.Int64 // cold starts that hold no slot

	mu       sync.Mutex
	changed  chan struct{} // closed at the next install, release while someone waits, or failure
	failed   *failure
	failSeen int
}

// serving is what one install lists.
type serving struct {
	envs []*endpoint
	room *Room // of envs, by their place in it
}

// place is where an endpoint stands in the index.
type place struct {
	room  *Room
	index int
}

// endpoint is an Endpoint with its load.
type endpoint struct {
	id, addr string
	slots    int64
	inFlight atomic.Int64
	served   atomic.Int64 // since the last Load
	came     int64        // unix nanoseconds
	idleFrom atomic.Int64 // the same; came until something has run
	place    atomic.Pointer[place]
}

func newTarget() *target {
	t := &target{changed: make(chan struct{})}
	t.serving.Store(&serving{room: NewRoom(0)})
	return t
}

func (t *target) install(list []lamina.Endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := map[string]*endpoint{}
	for _, e := range t.serving.Load().envs {
		known[e.id] = e
	}
	next := &serving{envs: make([]*endpoint, 0, len(list)), room: NewRoom(len(list))}
	for i, l := range list {
		e := known[l.EnvironmentID]
		if e == nil || e.addr != l.Addr || e.slots != int64(l.Slots) {
			e = &endpoint{id: l.EnvironmentID, addr: l.Addr, slots: int64(l.Slots), came: time.Now().UnixNano()}
			e.idleFrom.Store(e.came)
		}
		e.moveTo(&place{next.room, i})
		next.envs = append(next.envs, e)
	}
	t.serving.Store(next)
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

// wait counts a cold start among those that have no environment yet.
func (t *target) wait(req *request) {
	if req.cold && !req.waits {
		req.waits = true
		t.waiting.Add(1)
	}
}

func (t *target) waited(req *request) {
	if req.waits {
		req.waits = false
		t.waiting.Add(-1)
	}
}

// acquire takes a slot for a request, which then waits no more. It ends waiting
// before it begins to be in flight: who looked in between would start an
// environment for it. A release in between wakes nobody, so it looks again.
func (t *target) acquire(e *endpoint, req *request) bool {
	for e.inFlight.Load() < e.slots { // most are full, in a busy fleet: not even written to
		t.waited(req)
		if e.acquire() {
			return true
		}
		t.wait(req)
	}
	return false
}

func (t *target) release(e *endpoint) {
	if e.put() == 0 {
		e.idleFrom.Store(time.Now().UnixNano())
	}
	if t.waiting.Load() > 0 {
		t.mu.Lock()
		t.broadcast()
		t.mu.Unlock()
	}
}

func (t *target) load() lamina.Load {
	l := lamina.Load{Refused: t.refused.Swap(0), Environments: map[string]lamina.EnvironmentLoad{}}
	for _, e := range t.serving.Load().envs {
		n, since := int(e.inFlight.Load()), e.idleFrom.Load()
		l.InFlight += n
		l.Served += e.served.Swap(0)
		l.Environments[e.id] = lamina.EnvironmentLoad{InFlight: n, IdleSince: time.Unix(0, since), Fresh: n == 0 && since == e.came}
	}
	l.Waiting = int(t.waiting.Load()) // last: see acquire
	return l
}

// acquire takes a slot if one is free.
func (e *endpoint) acquire() bool {
	switch n := e.inFlight.Add(1); {
	case n > e.slots:
		e.put()
		return false
	case n == e.slots:
		e.index()
	}
	return true
}

// put gives a slot back and tells how many are taken.
func (e *endpoint) put() int64 {
	n := e.inFlight.Add(-1)
	if n == e.slots-1 {
		e.index()
	}
	return n
}

// index enters into the index whether there is room. It looks again afterwards,
// since others may have changed that in between and been entered before it.
func (e *endpoint) index() {
	p := e.place.Load()
	for {
		room := e.inFlight.Load() < e.slots
		if room {
			p.room.Open(p.index)
		} else {
			p.room.Shut(p.index)
		}
		if room == (e.inFlight.Load() < e.slots) {
			return
		}
	}
}

// moveTo gives it a place in a new index. Who enters a change into the old one
// made it before, so it is seen here.
func (e *endpoint) moveTo(p *place) {
	e.place.Store(p)
	e.index()
}

func (e *endpoint) load() float64 { return float64(e.inFlight.Load()) / float64(e.slots) }

// failure is why no environment of an ordinary function comes.
type failure struct{ errorType, message string }

func (f failure) result(requestID string) lamina.Answer {
	body := lamina.ErrorPayload(f.errorType, "RequestId: "+requestID+" Error: "+f.message)
	if f.reported() {
		body, _ = json.Marshal(struct { // strings always marshal
			ErrorMessage string   `json:"errorMessage"`
			ErrorType    string   `json:"errorType"`
			RequestID    string   `json:"requestId"`
			StackTrace   []string `json:"stackTrace"`
		}{f.message, f.errorType, requestID, []string{}})
	}
	return lamina.Answer{FunctionError: true, ErrorType: f.errorType, ContentType: "application/json", Payload: body}
}

// platformFaults are what the platform, not the runtime, says of an init.
var platformFaults = []string{
	"Sandbox.Timedout", "Sandbox.Failure", "Runtime.ExitError", "Runtime.OutOfMemory",
	"Runtime.InvalidEntrypoint", "Runtime.InvalidWorkingDir", "Runtime.Missing", "Runtime.InitError",
}

// reported says whether the words are those that the runtime posted.
func (f failure) reported() bool { return !slices.Contains(platformFaults, f.errorType) }
