// Package judge makes findings of what was seen. It decides only: what comes in
// is the record of runs, and the same record gives the same findings.
package judge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/mask"
	"github.com/lamina-dev/lamina/internal/check/trace"
)

// Event is what is known of one of the function's events.
type Event struct {
	Name    string
	Profile *mask.Profile // nil while it is not known
	Words   mask.Words    // of the event and of its answers alone
}

// Case is the function before the judge.
type Case struct {
	Language finding.Language
	Events   []Event
}

// request puts one into a finding.
func (c Case) request(t *trace.Trace, r trace.Request) finding.Request {
	return finding.Request{ID: r.ID, Event: c.Events[r.Event].Name, Begin: r.Begin.Sub(t.Begin), End: r.End.Sub(t.Begin), Answer: clip(r.Answer.Text)}
}

func (c Case) requests(t *trace.Trace, rs ...trace.Request) (list []finding.Request) {
	for _, r := range rs {
		list = append(list, c.request(t, r))
	}
	return list
}

// make fills in what all findings of a kind have.
func (c Case) make(f finding.Finding) finding.Finding {
	f.Remedy = finding.RemedyFor(f.Kind, c.Language)
	f.Times = max(f.Times, 1)
	return f
}

// maxShown is how much of a value or an answer a finding shows, in bytes (chosen).
const maxShown = 300

func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + " …"
}

// foreign gives the request, among those that came before r or overlapped it,
// whose data stands in text: words that neither r's event nor its answers have.
func (c Case) foreign(t *trace.Trace, r trace.Request, text string) (other trace.Request, word string) {
	own := c.Events[r.Event].Words
	for _, o := range c.nearest(t, r) {
		if strings.Contains(text, o.ID) {
			return o, o.ID
		}
		if o.Event == r.Event {
			continue
		}
		if w := c.Events[o.Event].Words.Without(own).In(text); w != "" && !strings.Contains(r.ID, w) {
			return o, w
		}
	}
	return trace.Request{}, ""
}

// nearest are the other requests that began before r's end, those that overlap first.
func (c Case) nearest(t *trace.Trace, r trace.Request) (list []trace.Request) {
	for _, o := range t.Requests {
		if o.ID != r.ID && o.Begin.Before(r.End) {
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b trace.Request) int {
		if x, y := a.Overlaps(r), b.Overlaps(r); x != y {
			if x {
				return -1
			}
			return 1
		}
		return b.Begin.Compare(a.Begin)
	})
	return list
}

// Suspect is an answer that is not as it was alone.
type Suspect struct {
	Finding finding.Finding
	Request trace.Request
	Other   trace.Request // whose data it carries, or the one most likely; ID "" without any
	Path    string        // of the first place that differs; "" if it carries data at a place that always changes
}

// Answers looks at each answer of a trace.
func (c Case) Answers(t *trace.Trace) (list []Suspect) {
	for _, r := range t.Requests {
		switch r.Outcome {
		case trace.Answered, trace.Failed:
			if s, ok := c.answer(t, r); ok {
				list = append(list, s)
			}
		case trace.Crashed:
			if p := c.Events[r.Event].Profile; p != nil && !p.Error {
				list = append(list, c.crash(t, r))
			}
		}
	}
	return list
}

func (c Case) answer(t *trace.Trace, r trace.Request) (Suspect, bool) {
	e := c.Events[r.Event]
	if e.Profile == nil {
		return Suspect{}, false
	}
	diffs := e.Profile.Compare(r.Answer)
	for _, d := range diffs {
		if o, word := c.foreign(t, r, d.Path+" "+d.Got); word != "" {
			return c.crossed(t, r, o, d, word), true
		}
		if o, ok := c.sameAs(t, r, d); ok {
			return c.crossed(t, r, o, d, d.Got), true
		}
	}
	if len(diffs) > 0 {
		return c.changed(t, r, diffs[0]), true
	}
	if o, word := c.foreign(t, r, r.Answer.Text); word != "" {
		return c.crossed(t, r, o, mask.Difference{Want: e.Profile.Example(), Got: r.Answer.Text}, word), true
	}
	return Suspect{}, false
}

// How long a value must be to be another request's by being equal to what that
// one's answer has at the same place (chosen): small numbers meet by chance.
const (
	leastSame       = 3
	leastSameNumber = 5
)

var number = regexp.MustCompile(`^-?[0-9.]+$`)

// sameAs finds the request whose answer alone has the value at this place.
func (c Case) sameAs(t *trace.Trace, r trace.Request, d mask.Difference) (trace.Request, bool) {
	if len(d.Got) < leastSame || len(d.Got) < leastSameNumber && number.MatchString(d.Got) || d.Got == "true" || d.Got == "false" || d.Got == "null" || d.Got == "<nil>" {
		return trace.Request{}, false
	}
	for _, o := range c.nearest(t, r) {
		p := c.Events[o.Event].Profile
		if o.Event != r.Event && p != nil && p.At(d.Path) == d.Got {
			return o, true
		}
	}
	return trace.Request{}, false
}

func (c Case) crossed(t *trace.Trace, r, o trace.Request, d mask.Difference, word string) Suspect {
	how := "ran at the same time"
	if !o.Overlaps(r) {
		how = "ran before it in the same environment"
	}
	text := fmt.Sprintf("The answer to %s carries %q, which only %s has; that request %s.", c.Events[r.Event].Name, clip(word), c.Events[o.Event].Name, how)
	if word == o.ID {
		text = fmt.Sprintf("The answer to %s carries the request id of another request (%s), which %s.", c.Events[r.Event].Name, c.Events[o.Event].Name, how)
	}
	return Suspect{Request: r, Other: o, Path: d.Path, Finding: c.make(finding.Finding{
		Kind: finding.AnswerCrossed, Name: d.Path, Text: text, Expected: clip(d.Want), Got: clip(d.Got), Requests: c.requests(t, r, o),
	})}
}

func (c Case) changed(t *trace.Trace, r trace.Request, d mask.Difference) Suspect {
	s := Suspect{Request: r, Path: d.Path}
	involved := []trace.Request{r}
	how := "after other requests in the same environment"
	if near := c.nearest(t, r); len(near) > 0 {
		s.Other = near[0]
		involved = append(involved, s.Other)
		if s.Other.Overlaps(r) {
			how = "while other requests ran"
		}
	}
	text := fmt.Sprintf("The answer to %s is not the one it has alone: %s is another %s.", c.Events[r.Event].Name, d.Path, how)
	if d.Got == "" {
		d.Got = r.Answer.Text // the place is missing
	}
	if r.Answer.Error && !c.Events[r.Event].Profile.Error {
		text = fmt.Sprintf("%s succeeds alone and fails %s.", c.Events[r.Event].Name, how)
	}
	s.Finding = c.make(finding.Finding{
		Kind: finding.AnswerChanged, Name: d.Path, Text: text, Expected: clip(d.Want), Got: clip(d.Got), Requests: c.requests(t, involved...),
	})
	return s
}

func (c Case) crash(t *trace.Trace, r trace.Request) Suspect {
	s := Suspect{Request: r}
	involved := []trace.Request{r}
	if near := c.nearest(t, r); len(near) > 0 {
		s.Other = near[0]
		involved = append(involved, s.Other)
	}
	s.Finding = c.make(finding.Finding{
		Kind: finding.CrashOverlapped, Text: fmt.Sprintf("The runtime ended while it ran %s together with others; alone it answers.", c.Events[r.Event].Name),
		Got: clip(r.Answer.Text), Requests: c.requests(t, involved...),
	})
	return s
}

// Timeouts finds requests that kept their slot after the function's timeout.
func (c Case) Timeouts(t *trace.Trace, timeout time.Duration) (list []finding.Finding) {
	for _, r := range t.Requests {
		if r.Outcome != trace.TimedOut || !r.Held {
			continue
		}
		how := "even alone"
		involved := []trace.Request{r}
		if near := c.nearest(t, r); !t.Alone && len(near) > 0 && near[0].Overlaps(r) {
			how = "while other requests ran"
			involved = append(involved, near[0])
		}
		list = append(list, c.make(finding.Finding{
			Kind: finding.OutlivesTimeout, Name: c.Events[r.Event].Name, Requests: c.requests(t, involved...),
			Text: fmt.Sprintf("%s reached the timeout of %v %s, and its handler ran on: the slot was still taken a second later, and nobody gets what it makes.", c.Events[r.Event].Name, timeout, how),
		}))
	}
	return list
}
