package sim

import "time"

// kind is what an event means.
type kind uint8

const (
	arrival     kind = iota // of calls of a version
	cpuDone                 // some call in an environment has its CPU
	waitDone                // a call in an environment ends
	sample                  // an instance's agent measures and reports
	look                    // the controller looks at a provider
	launched                // an instance joins, or its launch fails
	started                 // an environment is ready
	emptied                 // an instance has long enough held nothing
	flowing                 // calls as amounts instead of single ones
	measurement             // a point of the result's series
	injection               // a fault
)

// event is something that happens to the subject of its kind.
type event struct {
	at      time.Duration
	order   uint64 // of two at the same time
	kind    kind
	subject int32         // index of version, environment, instance, provider or fault
	call    int32         // waitDone only
	begun   time.Duration // waitDone only: when the call came
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// queue is the events to come: a heap with four children to a node, which has
// fewer levels than one with two.
type queue struct {
	events []event
	pushed uint64
}

func (q *queue) push(e event) {
	q.pushed++
	e.order = q.pushed
	i := len(q.events)
	q.events = append(q.events, e)
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.events[parent]) {
			break
		}
		q.events[i] = q.events[parent]
		i = parent
	}
	q.events[i] = e
}

// pop gives the next event; there has to be one.
func (q *queue) pop() event {
	first, last := q.events[0], q.events[len(q.events)-1]
	q.events = q.events[:len(q.events)-1]
	if n := len(q.events); n > 0 {
		i := 0
		for {
			child := 4*i + 1
			if child >= n {
				break
			}
			for c := child + 1; c < min(child+4, n); c++ {
				if q.events[c].before(&q.events[child]) {
					child = c
				}
			}
			if !q.events[child].before(&last) {
				break
			}
			q.events[i] = q.events[child]
			i = child
		}
		q.events[i] = last
	}
	return first
}
