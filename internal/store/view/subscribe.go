package view

import (
	"strings"
	"sync"

	"github.com/lamina-dev/lamina/internal/store"
)

type subscription struct {
	prefixes []string
	ready    chan struct{}
}

// Subscribe gives a channel that becomes readable whenever something under one
// of the store prefixes has changed (without prefixes: anything). Nudges that
// nobody has read yet fall into one. It begins readable, so that a loop does its
// first round like every other. cancel ends it; the channel is never closed.
func (v *View) Subscribe(prefixes ...string) (nudges <-chan struct{}, cancel func()) {
	s := &subscription{prefixes: prefixes, ready: make(chan struct{}, 1)}
	s.nudge()
	v.mu.Lock()
	v.subs[s] = struct{}{}
	v.mu.Unlock()
	return s.ready, sync.OnceFunc(func() {
		v.mu.Lock()
		delete(v.subs, s)
		v.mu.Unlock()
	})
}

func (s *subscription) nudge() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *subscription) touchedBy(ops []store.Op) bool {
	if len(s.prefixes) == 0 {
		return true
	}
	for _, op := range ops {
		for _, p := range s.prefixes {
			if strings.HasPrefix(op.Key, p) {
				return true
			}
		}
	}
	return false
}
