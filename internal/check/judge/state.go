package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/mask"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// State finds what requests leave in variables, the environment and the process
// for others. A write alone is no fault: lazy initialisation, caches and
// counters write too. It is one when a request's own data replaces another's.
func (c Case) State(t *trace.Trace) (list []finding.Finding) {
	writes := map[writeKey][]watch.Record{}
	var order []writeKey
	for _, r := range t.Facts {
		k := writeKey{r.Process(), r.Kind, r.Name}
		if !isState(r.Kind) || r.RequestID == "" {
			continue
		}
		if writes[k] == nil {
			order = append(order, k)
		}
		writes[k] = append(writes[k], r)
	}
	for _, k := range order {
		if f, ok := c.written(t, k, writes[k]); ok {
			list = append(list, f)
		}
	}
	return list
}

// writeKey is one variable of one worker.
type writeKey struct {
	by   watch.Process
	kind watch.Kind
	name string
}

func isState(k watch.Kind) bool {
	switch k {
	case watch.GlobalWrite, watch.ModuleAttrWrite, watch.ClassWrite, watch.DefaultWrite, watch.ClosureWrite,
		watch.EnvWrite, watch.Chdir, watch.Locale, watch.Umask, watch.ProcessOther:
		return true
	}
	return false
}

func (c Case) written(t *trace.Trace, k writeKey, writes []watch.Record) (finding.Finding, bool) {
	switch k.kind {
	case watch.EnvWrite:
		return c.differently(t, writes, finding.EnvironmentMutated, "environment variable "+k.name)
	case watch.ProcessOther: // logging and the like may be set up late, once
		return c.differently(t, writes, finding.ProcessState, k.name)
	case watch.Chdir, watch.Locale, watch.Umask:
		what := "the " + string(k.kind)
		if k.kind == watch.Chdir {
			what = "the working folder"
		}
		if f, ok := c.differently(t, writes, finding.ProcessState, what); ok {
			return f, true
		}
		return c.once(t, writes[0], what)
	}
	for _, look := range []func(*trace.Trace, writeKey, []watch.Record) (finding.Finding, bool){c.replaced, c.determined, c.grown} {
		if f, ok := look(t, k, writes); ok {
			return f, true
		}
	}
	return finding.Finding{}, false
}

// replaced looks for a value with one request's data in the place of a value
// with another's.
func (c Case) replaced(t *trace.Trace, k writeKey, writes []watch.Record) (finding.Finding, bool) {
	for i, w := range writes {
		if w.Detail.What == "grow" || w.Detail.What == "shrink" {
			continue
		}
		by, ok := c.owner(t, w.RequestID, w.Detail.After, w.Time())
		if !ok || c.keyed(by, k.name) {
			continue
		}
		for _, before := range []string{w.Detail.Before, lastBefore(writes[:i])} {
			if before == w.Detail.After {
				continue
			}
			victim, ok := c.owner(t, "", before, w.Time())
			if !ok || victim.ID == by.ID {
				continue
			}
			if victim.Event == by.Event && !strings.Contains(before, victim.ID) {
				continue
			}
			return c.mutated(t, k, w, by, victim, before), true
		}
	}
	return finding.Finding{}, false
}

// determined looks for values that depend on the event alone, though they carry
// none of its words: each of two events always leaves the same, and not what the
// other leaves. Counters and clocks do not. Where requests overlap in one worker a
// write is now and then taken for another's, so there more of them must agree.
func (c Case) determined(t *trace.Trace, k writeKey, writes []watch.Record) (finding.Finding, bool) {
	type left struct {
		by    trace.Request
		write watch.Record
		times int
		mixed bool
	}
	byEvent := map[int]*left{}
	var order []int
	for _, w := range writes {
		r, ok := t.Find(w.RequestID)
		if !ok || w.Detail.What == "grow" || w.Detail.What == "shrink" || c.keyed(r, k.name) {
			continue
		}
		l := byEvent[r.Event]
		if l == nil {
			l = &left{by: r, write: w}
			byEvent[r.Event] = l
			order = append(order, r.Event)
		}
		l.times++
		l.mixed = l.mixed || l.write.Detail.After != w.Detail.After
	}
	least := 2
	if c.Language == finding.Node {
		least = 3
	}
	var steady []*left
	for _, e := range order {
		if l := byEvent[e]; l.times >= least && !l.mixed {
			steady = append(steady, l)
		}
	}
	if len(steady) < 2 || len(steady) < len(order) || steady[0].write.Detail.After == steady[1].write.Detail.After {
		return finding.Finding{}, false
	}
	return c.mutated(t, k, steady[1].write, steady[1].by, steady[0].by, steady[0].write.Detail.After), true
}

func lastBefore(writes []watch.Record) string {
	if len(writes) == 0 {
		return ""
	}
	return writes[len(writes)-1].Detail.After
}

// keyed tells that a place belongs to the request: its key carries the request's data.
func (c Case) keyed(r trace.Request, name string) bool {
	_, key, ok := strings.Cut(name, "[")
	return ok && (strings.Contains(key, r.ID) || c.exclusive(r.Event).In(key) != "")
}

// exclusive are the words of an event that not all others have.
func (c Case) exclusive(event int) mask.Words {
	words := c.Events[event].Words
	if len(c.Events) == 1 {
		return words
	}
	rest := mask.Words{}
	for w := range words {
		for i, o := range c.Events {
			if i != event && !o.Words[w] {
				rest[w] = true
				break
			}
		}
	}
	return rest
}

// owner is the request whose data a text carries: the one that is said to have
// written it where it fits, else the last that had begun by then.
func (c Case) owner(t *trace.Trace, id, text string, by time.Time) (trace.Request, bool) {
	if text == "" {
		return trace.Request{}, false
	}
	if r, ok := t.Find(id); ok && (strings.Contains(text, id) || c.exclusive(r.Event).In(text) != "") {
		return r, true
	}
	var last trace.Request
	for _, r := range t.Requests {
		if strings.Contains(text, r.ID) {
			return r, true
		}
		if r.ID != id && !r.Begin.After(by) && c.exclusive(r.Event).In(text) != "" {
			last = r
		}
	}
	return last, last.ID != ""
}

func (c Case) mutated(t *trace.Trace, k writeKey, w watch.Record, by, victim trace.Request, before string) finding.Finding {
	kind := finding.GlobalMutated
	what := "the global variable"
	switch k.kind {
	case watch.ClassWrite:
		kind, what = finding.ClassMutated, "the class attribute"
	case watch.DefaultWrite:
		what = "the default argument"
	case watch.ModuleAttrWrite:
		what = "the module's attribute"
	case watch.ClosureWrite:
		what = "the captured variable"
	}
	when := "the next request in this process finds it"
	if c.Language != finding.Python {
		when = "requests that run at once or later find it"
	}
	return c.make(finding.Finding{
		Kind: kind, Name: k.name, File: w.File, Line: w.Line, Expected: clip(before), Got: clip(w.Detail.After),
		Text:     fmt.Sprintf("%s replaces %s's data in %s %s by its own; %s.", c.Events[by.Event].Name, c.Events[victim.Event].Name, what, k.name, when),
		Requests: c.requests(t, victim, by),
	})
}

// grown looks for what grows though the same event came, and was done, before:
// no cache by key does, and no batch that the last one empties. A default argument that takes in a request's data is a fault at once.
func (c Case) grown(t *trace.Trace, k writeKey, writes []watch.Record) (finding.Finding, bool) {
	var grows []watch.Record
	var by []trace.Request
	again := false
	for _, w := range writes {
		r, ok := t.Find(w.RequestID)
		if w.Detail.What != "grow" || !ok {
			continue
		}
		if n := len(grows); n > 0 && w.Detail.Size > 0 && w.Detail.Size <= grows[n-1].Detail.Size {
			return finding.Finding{}, false // something takes out as well
		}
		again = again || slices.ContainsFunc(by, func(o trace.Request) bool { return o.Event == r.Event && !o.Overlaps(r) })
		grows, by = append(grows, w), append(by, r)
	}
	switch {
	case k.kind == watch.DefaultWrite && len(grows) >= 2:
		last := grows[1]
		return c.mutated(t, k, last, by[1], by[0], last.Detail.Before), true
	case again && k.kind == watch.ClassWrite && len(grows) >= leastGrows:
		last := grows[len(grows)-1]
		return c.mutated(t, k, last, by[len(by)-1], by[0], last.Detail.Before), true
	case again && len(grows) >= leastGrows:
		last := grows[len(grows)-1]
		return c.make(finding.Finding{
			Kind: finding.MemoryGrows, Name: k.name, File: last.File, Line: last.Line, Got: clip(last.Detail.Added), Times: len(grows),
			Text:     fmt.Sprintf("%s grows with each request, though the same events come again (%d elements after %d requests of a worker), and nothing is taken out.", k.name, last.Detail.Size, len(grows)),
			Requests: c.requests(t, by[len(by)-1]),
		}), true
	}
	return finding.Finding{}, false
}

// leastGrows is from how many requests on a container counts as growing (chosen).
const leastGrows = 4

// differently looks for two requests that set the same thing to different values.
func (c Case) differently(t *trace.Trace, writes []watch.Record, kind finding.Kind, what string) (finding.Finding, bool) {
	first := writes[0]
	a, ok := t.Find(first.RequestID)
	if !ok {
		return finding.Finding{}, false
	}
	for _, w := range writes[1:] {
		b, ok := t.Find(w.RequestID)
		if !ok || b.ID == a.ID || w.Detail.After == first.Detail.After {
			continue
		}
		return c.make(finding.Finding{
			Kind: kind, Name: orKind(w), File: w.File, Line: w.Line, Expected: clip(first.Detail.After), Got: clip(w.Detail.After),
			Text:     fmt.Sprintf("%s sets %s to another value than %s did; it belongs to the process, and so to other requests too.", c.Events[b.Event].Name, what, c.Events[a.Event].Name),
			Requests: c.requests(t, a, b),
		}), true
	}
	return finding.Finding{}, false
}

func (c Case) once(t *trace.Trace, w watch.Record, what string) (finding.Finding, bool) {
	r, ok := t.Find(w.RequestID)
	if !ok {
		return finding.Finding{}, false
	}
	return c.make(finding.Finding{
		Kind: finding.ProcessState, Name: orKind(w), File: w.File, Line: w.Line, Expected: clip(w.Detail.Before), Got: clip(w.Detail.After),
		Text:     fmt.Sprintf("%s changes %s and leaves it changed: requests in this process that come later find it so, and those before it did not.", c.Events[r.Event].Name, what),
		Requests: c.requests(t, r),
	}), true
}

func orKind(r watch.Record) string {
	if r.Name != "" && r.Kind == watch.EnvWrite {
		return r.Name
	}
	if r.Kind == watch.ProcessOther && r.Name != "" {
		return r.Name
	}
	return string(r.Kind)
}
