package judge

import (
	"fmt"
	"slices"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// AfterAnswer finds work that at least two requests left running: one alone may
// be the module's own thread, begun late.
func (c Case) AfterAnswer(ts ...*trace.Trace) (list []finding.Finding) {
	type place struct {
		name, file string
		line       int
	}
	type seen struct {
		record watch.Record
		t      *trace.Trace
		ids    map[string]bool
	}
	places := map[place]*seen{}
	var order []place
	for _, t := range ts {
		for _, r := range t.Facts {
			if r.Kind != watch.WorkAfterAnswer {
				continue
			}
			p := place{r.Name, r.File, r.Line}
			if places[p] == nil {
				places[p] = &seen{record: r, t: t, ids: map[string]bool{}}
				order = append(order, p)
			}
			places[p].ids[r.RequestID] = true
		}
	}
	for _, p := range order {
		s := places[p]
		r, ok := s.t.Find(s.record.RequestID)
		if len(s.ids) < 2 || !ok {
			continue
		}
		involved := []trace.Request{r}
		later := "goes on while later requests run"
		for _, o := range s.t.Requests {
			if o.ID != r.ID && !o.End.Before(s.record.Time()) && o.End.After(r.End) {
				involved, later = append(involved, o), fmt.Sprintf("goes on while %s runs", c.Events[o.Event].Name)
				break
			}
		}
		list = append(list, c.make(finding.Finding{
			Kind: finding.WorkAfterAnswer, Name: p.name, File: p.file, Line: p.line, Times: len(s.ids), Requests: c.requests(s.t, involved...),
			Text: fmt.Sprintf("Work that %s began was not done when it answered: it %s.", c.Events[r.Event].Name, later),
		}))
	}
	return list
}

// Limits for what blocks a loop (chosen): what holds it so long in every run of
// an event is no chance of a busy machine.
const (
	leastBlocked = 100.0 // ms
	leastRuns    = 3
)

// Blocked finds events that hold a Node.js worker's loop in each of their runs;
// the traces are those without overlap.
func (c Case) Blocked(ts ...*trace.Trace) (list []finding.Finding) {
	for event := range c.Events {
		var runs []float64
		var at watch.Record
		var of *trace.Trace
		var first trace.Request
		for _, t := range ts {
			for _, r := range t.Requests {
				if r.Event != event {
					continue
				}
				longest := 0.0
				for _, f := range t.Facts {
					if f.Kind == watch.LoopBlocked && f.RequestID == r.ID && f.Detail.Ms > longest {
						longest, at, of, first = f.Detail.Ms, f, t, r
					}
				}
				runs = append(runs, longest)
			}
		}
		// One of many may have been told too late.
		if slices.Sort(runs); len(runs) >= 2*leastRuns-1 {
			runs = runs[1:]
		}
		if len(runs) < leastRuns || runs[0] < leastBlocked {
			continue
		}
		list = append(list, c.make(finding.Finding{
			Kind: finding.LoopBlocked, Name: at.Name, File: at.File, Line: at.Line, Times: len(runs), Requests: c.requests(of, first),
			Text: fmt.Sprintf("%s holds its worker's event loop for %.0f ms or more each time: every other request of that worker waits.", c.Events[event].Name, runs[0]),
		}))
	}
	return list
}

// leastLater is in how many of a worker's later requests a connection must be
// made for it to be a habit (chosen): the first two may fill a pool.
const leastLater = 3

// Connections finds addresses to which nearly every request of a worker connects
// anew; the traces are those without overlap, where no pool has a reason to grow.
func (c Case) Connections(ts ...*trace.Trace) (list []finding.Finding) {
	for _, t := range ts {
		ran := map[watch.Process][]string{} // requests by worker
		made := map[string]map[string]watch.Record{}
		for _, f := range t.Facts {
			switch f.Kind {
			case watch.Start:
				ran[f.Process()] = append(ran[f.Process()], f.RequestID)
			case watch.Connection:
				if made[f.Name] == nil {
					made[f.Name] = map[string]watch.Record{}
				}
				made[f.Name][f.RequestID] = f
			}
		}
		for address, by := range made {
			later, again := 0, 0
			var last watch.Record
			for _, ids := range ran {
				for _, id := range ids[min(2, len(ids)):] {
					later++
					if f, ok := by[id]; ok {
						again++
						last = f
					}
				}
			}
			r, ok := t.Find(last.RequestID)
			if !ok || again < leastLater || float64(again) < 0.8*float64(later) {
				continue
			}
			list = append(list, c.make(finding.Finding{
				Kind: finding.ConnectionPerCall, Name: address, File: last.File, Line: last.Line, Times: again, Requests: c.requests(t, r),
				Text: fmt.Sprintf("%d of %d later requests of a worker opened a new connection to %s.", again, later, address),
			}))
		}
	}
	return list
}
