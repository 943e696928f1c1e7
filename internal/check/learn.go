package check

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/mask"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// How much is learned (chosen).
const (
	// learnSlots is most workers that a learning environment has.
	learnSlots = 16
	// learnShare is the part of the time in which events are repeated.
	learnShare = 0.2
	// repeats is how often each event comes in a learning environment.
	repeats = 3
	// freshRuns is how many fresh environments show what changes by itself, and
	// sureRuns how many more it takes before an answer is blamed.
	freshRuns, sureRuns = 3, 5
)

// learn finds out how each event is answered alone.
func (c *check) learn(ctx context.Context) error {
	n := len(c.events)
	forward := make([]int, n)
	for i := range forward {
		forward[i] = i
	}
	backward := slices.Clone(forward)
	slices.Reverse(backward)

	c.cfg.Progress("each event alone")
	first, err := c.aloneEach(ctx, "alone, in order", forward, watch.Settings{Seed: c.cfg.Seed})
	if err != nil {
		return err
	}
	if err := c.ready(first); err != nil {
		return err
	}
	// With pauses, so that what takes its time shows what of the answer is a duration.
	second, err := c.aloneEach(ctx, "alone, in reverse order", backward, watch.Settings{Seed: c.cfg.Seed, Pause: 0.1, PauseMaxMs: 5, PauseBudgetMs: 25})
	if err != nil {
		return err
	}
	c.cfg.Progress("events one after the other in the same worker")
	one, err := c.r.alone(ctx, "alone, all in one worker", bed.Options{Slots: 1, Workers: 1, Watch: watch.Settings{Seed: c.cfg.Seed}}, slices.Concat(forward, forward), c.leftOut)
	if err != nil {
		return err
	}
	for i := range c.events {
		if c.events[i].left == "" {
			if err := c.settleEvent(ctx, i, first, second, one); err != nil {
				return err
			}
		}
	}
	for i := range c.events {
		c.learnWords(i)
	}
	for _, t := range []*trace.Trace{first, second, one} {
		c.judge(t)
		c.answers(t)
	}
	for _, t := range []*trace.Trace{first, second, one} {
		c.add(t, c.matter.AfterAnswer(t)...)
	}
	c.add(first, c.matter.Blocked(first, second)...)
	c.add(one, c.matter.Connections(first, second, one)...)
	return nil
}

// aloneEach runs every event in a worker of its own, several times.
func (c *check) aloneEach(ctx context.Context, name string, order []int, w watch.Settings) (*trace.Trace, error) {
	n := min(len(order), learnSlots)
	began := time.Now()
	var all []int
	for range repeats {
		all = append(all, order...)
	}
	limit := time.Duration(float64(c.cfg.Time) * learnShare)
	done := map[int]int{}
	return c.r.alone(ctx, name, bed.Options{Slots: n, Workers: n, InTurn: true, Watch: w}, all, func(event int) bool {
		if c.leftOut(event) || done[event] > 0 && time.Since(began) > limit && !c.cfg.Whole {
			return true
		}
		done[event]++
		return false
	})
}

func (c *check) leftOut(event int) bool { return c.events[event].left != "" }

// missing are errors of a function that lacks something around it.
var missing = regexp.MustCompile(`(?i)ECONNREFUSED|ENOTFOUND|EAI_AGAIN|connection refused|Could not connect to the endpoint|EndpointConnectionError|ConnectTimeout|NoCredentials|Unable to locate credentials|CredentialsProviderError|Could not load credentials|UnrecognizedClient|InvalidClientTokenId|ResourceNotFoundException|Name or service not known|Temporary failure in name resolution|getaddrinfo|no such host|Network is unreachable|os\.environ|environment variable`)

// ready tells from the first run whether there can be a verdict.
func (c *check) ready(t *trace.Trace) error {
	good := 0
	var errs []string
	lacks := false
	for i := range c.events {
		e := &c.events[i]
		for _, q := range t.Requests {
			if q.Event != i {
				continue
			}
			if e.alone == 0 || q.End.Sub(q.Begin) < e.alone {
				e.alone = q.End.Sub(q.Begin)
			}
			if e.outcome == "" || q.Outcome == trace.TimedOut {
				e.outcome = q.Outcome
			}
			switch {
			case q.Outcome == trace.TimedOut:
				e.left = "it times out alone"
			case q.Outcome == trace.Crashed:
				e.left = "the runtime ends with it alone"
			case q.Outcome == trace.Failed && missing.MatchString(q.Answer.Text):
				lacks = true
				e.left = "alone it fails for want of something: " + errorOf(q.Answer.Text)
			}
			if q.Outcome != trace.Answered && (len(errs) == 0 || !strings.HasPrefix(errs[len(errs)-1], e.Name)) {
				errs = append(errs, e.Name+": "+errorOf(q.Answer.Text))
			}
		}
		if e.outcome == trace.Answered {
			good++
		}
		if e.left != "" {
			c.gap("%s overlapped with others: %s", e.Name, e.left)
		}
	}
	if good > 0 || slices.ContainsFunc(c.events, func(e event) bool { return e.outcome == trace.TimedOut }) {
		return nil
	}
	e := &NotCheckable{Why: "No event is answered even alone:\n  " + strings.Join(firstOf(errs, 4), "\n  ")}
	e.Provide = "Provide events that the function answers well (--events DIR)."
	if lacks {
		e.Provide = "The function needs something that is not here. Provide it: run the service it calls (a local stand-in will do) and set its address or credentials with --env NAME=VALUE."
	}
	return e
}

func firstOf(list []string, n int) []string { return list[:min(n, len(list))] }

// errorOf reads an error's type and message.
func errorOf(text string) string {
	var e struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal([]byte(text), &e) != nil || e.ErrorType+e.ErrorMessage == "" {
		return short(text)
	}
	return short(strings.Trim(e.ErrorType+": "+e.ErrorMessage, ": "))
}

func short(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " …"
	}
	return strings.ReplaceAll(s, "\n", `\n`)
}

// answersOf are those that a run has of an event, in order.
func answersOf(event int, ts ...*trace.Trace) (list []mask.Answer) {
	for _, t := range ts {
		for _, q := range t.Requests {
			if q.Event == event && (q.Outcome == trace.Answered || q.Outcome == trace.Failed) {
				list = append(list, q.Answer)
			}
		}
	}
	return list
}

// settleEvent decides what of an event's answers is stable. What changes in used
// environments and never in fresh ones depends on what ran before; it stays in
// the comparison, and so shows.
func (c *check) settleEvent(ctx context.Context, i int, first, second, one *trace.Trace) error {
	samples := answersOf(i, first, second)
	if len(samples) == 0 || len(answersOf(i, first)) == 0 || len(answersOf(i, second)) == 0 {
		c.events[i].left = "it has no answer alone"
		return nil
	}
	p := mask.Learn(samples...)
	c.matter.Events[i].Profile = p
	if !p.Unsettled() {
		return nil
	}
	fresh, err := c.freshOrFirst(ctx, i, p, first, second)
	if err != nil || len(fresh) == 0 {
		return err
	}
	natural := mask.Learn(fresh...)
	used := slices.Concat(samples, answersOf(i, one))
	if dependent := differing(natural, used); len(dependent) > 0 {
		for path := range dependent {
			if !c.explainChange(i, path, natural, first, second, one) {
				c.dependent[path] = true
			}
		}
		c.matter.Events[i].Profile = natural
		return nil
	}
	all := mask.Learn(slices.Concat(samples, fresh, answersOf(i, one))...)
	c.matter.Events[i].Profile = all
	for path := range all.Changes() {
		c.fixedInWorker(i, path, all, first, second, one)
	}
	return nil
}

// freshOrFirst gives answers of fresh environments. Where all that changes is
// known from another event to depend on what ran before, the first answers of
// fresh workers will do.
func (c *check) freshOrFirst(ctx context.Context, i int, p *mask.Profile, first, second *trace.Trace) ([]mask.Answer, error) {
	known := true
	for path := range p.Changes() {
		known = known && c.dependent[path]
	}
	if !known {
		return c.fresh(ctx, i, freshRuns)
	}
	return []mask.Answer{answersOf(i, first)[0], answersOf(i, second)[0]}, nil
}

// fresh gives the answers of environments in which the event was the first.
func (c *check) fresh(ctx context.Context, i, n int) (list []mask.Answer, err error) {
	c.cfg.Progress(c.events[i].Name + " in fresh environments")
	for k := range n {
		w := watch.Settings{Seed: c.cfg.Seed + uint64(k), Pause: 0.1 * float64(k%2), PauseMaxMs: 5, PauseBudgetMs: 25}
		t, err := c.r.alone(ctx, fmt.Sprintf("fresh, %s, %d of %d", c.events[i].Name, k+1, n), bed.Options{Slots: 1, Workers: 1, Watch: w}, []int{i}, nil)
		if err != nil {
			return nil, err
		}
		c.judge(t)
		list = append(list, answersOf(i, t)...)
	}
	return list, nil
}

// differing are the paths at which answers are not as in fresh environments.
func differing(p *mask.Profile, answers []mask.Answer) map[string]bool {
	paths := map[string]bool{}
	for _, a := range answers {
		for _, d := range p.Compare(a) {
			paths[d.Path] = true
		}
	}
	return paths
}

// explainChange takes out of the comparison what differs in used environments for
// a good reason: the mark of a first call, or a name that each worker has.
func (c *check) explainChange(i int, path string, p *mask.Profile, first, second, one *trace.Trace) bool {
	a, b := valuesAt(path, answersOf(i, first)), valuesAt(path, answersOf(i, second))
	switch {
	case len(a) > 2 && len(b) > 2 && a[0] == p.At(path) && b[0] == a[0] && same(a[1:]) && same(b[1:]) && a[1] == b[1]:
		p.Hide(path, "another at a worker's first call")
	case len(a) > 1 && len(b) > 1 && same(a) && same(b) && c.sameForAll(path, one):
		p.Hide(path, "a worker's own, the same for all events")
	default:
		return false
	}
	return true
}

// fixedInWorker looks at a value that changes from worker to worker and never in one.
func (c *check) fixedInWorker(i int, path string, p *mask.Profile, first, second, one *trace.Trace) {
	a, b, o := valuesAt(path, answersOf(i, first)), valuesAt(path, answersOf(i, second)), valuesAt(path, answersOf(i, one))
	if len(a) < 2 || len(b) < 2 || len(o) < 2 || !same(a) || !same(b) || !same(o) || a[0] == b[0] || c.sameForAll(path, one) {
		return
	}
	t, requests := first, []finding.Request{}
	for _, from := range []*trace.Trace{first, second} {
		for _, q := range from.Requests {
			if q.Event == i {
				requests = append(requests, finding.Request{ID: q.ID, Event: c.events[i].Name, Begin: q.Begin.Sub(from.Begin), End: q.End.Sub(from.Begin)})
				break
			}
		}
	}
	c.add(t, finding.Finding{
		Kind: finding.EnvironmentsDiffer, Name: path, Expected: short(a[0]), Got: short(b[0]), Requests: requests,
		Text:   fmt.Sprintf("%s has another answer in each environment at %s, and in one environment always the same: it depends on what was made at init.", c.events[i].Name, path),
		Remedy: finding.RemedyFor(finding.EnvironmentsDiffer, c.matter.Language),
	})
}

// sameForAll tells that in one worker all events that have the path have one
// value there, as an identity does.
func (c *check) sameForAll(path string, one *trace.Trace) bool {
	values := map[string]bool{}
	for i := range c.events {
		for _, v := range valuesAt(path, answersOf(i, one)) {
			values[v] = true
		}
	}
	return len(values) <= 1
}

func same(list []string) bool { return len(slices.Compact(slices.Clone(list))) == 1 }

func valuesAt(path string, answers []mask.Answer) (list []string) {
	for _, a := range answers {
		if v, ok := a.At(path); ok {
			list = append(list, v)
		}
	}
	return list
}

// learnWords collects by what an event's data is recognised.
func (c *check) learnWords(i int) {
	words := mask.WordsOf(c.events[i].Body)
	if p := c.matter.Events[i].Profile; p != nil {
		maps.Copy(words, p.Words())
	}
	c.matter.Events[i].Words = words
}
