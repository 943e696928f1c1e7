package agent_test

import (
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

const burner = `
import time
def handler(event, context):
    until = time.process_time() + event["burn"]
    while time.process_time() < until:
        pass
    return {}
`

// TestReportsFollowWork: an environment is measured and reported while it works, and once more when it rests; an idle
// instance reports nothing.
func TestReportsFollowWork(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := pythonSpec(t, s, 2, burner)
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
	s.waitSilence()
	before, r := s.last(e.ID), s.router()
	if before.CPU != 0 || before.InFlight != 0 {
		t.Errorf("at rest: %+v", before)
	}
	if err := r.send(wire.Invoke{EnvironmentID: e.ID, RequestID: "one", Timeout: time.Minute, Body: []byte(`{"burn": 1.5}`)}); err != nil {
		t.Fatal(err)
	}
	s.wait("a report of the running invocation and its CPU use", func() bool {
		st := s.status(e.ID)
		return st.InFlight == 1 && st.CPU > 0 && st.CPU <= 1
	})
	middle := s.last(e.ID)
	s.wait("a later one", func() bool { return s.status(e.ID).CPUTime > middle.CPUTime })
	if out, err := r.receive(); err != nil || out.Outcome != wire.OutcomeOK {
		t.Fatalf("%v %+v", err, out)
	}
	s.wait("a report of rest", func() bool {
		st := s.status(e.ID)
		return st.InFlight == 0 && st.CPU == 0
	})
	s.waitSilence()
}

// last is the environment's last report.
func (s *server) last(id string) wire.EnvironmentStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status(id)
}

// waitSilence returns once no report has come for four samples' time.
func (s *server) waitSilence() {
	s.t.Helper()
	const silence, patience = time.Second, 20
	for range patience {
		s.mu.Lock()
		before := s.reports
		s.mu.Unlock()
		time.Sleep(silence)
		s.mu.Lock()
		after := s.reports
		s.mu.Unlock()
		if before == after {
			return
		}
	}
	s.t.Fatalf("%d reports, and no end of them", s.reports)
}
