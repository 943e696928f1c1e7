package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/mask"
	"github.com/lamina-dev/lamina/internal/check/plan"
	"github.com/lamina-dev/lamina/internal/check/shrink"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// How the time is spent (chosen).
const (
	roundTime   = 1500 * time.Millisecond // of requests in one round
	settleShare = 0.2                     // of the time, for looking closer at what was found
	growSamples = 6
	growMost    = 72 // requests of the growth run
	growLeast   = 24
	// warmUp is how much longer that run is for Java, whose memory grows by itself
	// until its heap has been used once; only the last growSamples count.
	warmUp = 4
)

// overlap runs the events overlapped until the time is over, or until a pass has
// found something.
func (c *check) overlap(ctx context.Context) error {
	index := c.overlapping()
	if len(index) == 0 {
		return nil
	}
	s := plan.Settings{
		Seed: c.cfg.Seed, MaxSlots: c.cfg.MaxSlots, Length: min(roundTime, c.cfg.Time/12),
		Node: c.matter.Language == finding.Node, Holds: c.matter.Language == finding.Python,
	}
	for _, i := range index {
		s.Events = append(s.Events, plan.Event{Alone: c.events[i].alone})
	}
	for pass := 0; ; pass++ {
		rounds := plan.Pass(s, pass)
		if pass == 0 {
			c.passed = progress{of: len(rounds), began: time.Now()}
		}
		for n, p := range rounds {
			if pass > 0 && c.left() < c.reserve() {
				return nil
			}
			if pass == 0 && c.left() <= 0 && !c.cfg.Whole {
				c.gap("%s and what comes after it: the time was over; --time gives more", p.Name)
				return nil
			}
			if err := c.round(ctx, p, index); err != nil {
				return err
			}
			if pass == 0 && ctx.Err() == nil {
				c.passed.done++
			}
			if pass == 0 && n == 0 {
				if err := c.grow(ctx, index); err != nil {
					return err
				}
			}
		}
		if c.found.Len() > 0 || len(c.suspects) > 0 {
			return nil // more of the same adds little
		}
	}
}

func (c *check) reserve() time.Duration {
	return time.Duration(settleShare * float64(c.cfg.Time) / 2)
}

// overlapping are the events that take part.
func (c *check) overlapping() (index []int) {
	for i, e := range c.events {
		if e.left == "" {
			index = append(index, i)
		}
	}
	return index
}

// round runs one, with the plan's events being those that take part.
func (c *check) round(ctx context.Context, p plan.Round, index []int) error {
	c.cfg.Progress(p.Name)
	for i := range p.Steps {
		p.Steps[i].Event = index[p.Steps[i].Event]
	}
	t, err := c.r.round(ctx, p)
	if err != nil {
		return err
	}
	c.judge(t)
	c.answers(t)
	c.add(t, c.matter.AfterAnswer(t)...)
	return nil
}

// grow looks at what each request leaves behind.
func (c *check) grow(ctx context.Context, index []int) error {
	c.cfg.Progress("what requests leave behind")
	mean := time.Duration(0)
	for _, i := range index {
		mean += c.events[i].alone / time.Duration(len(index))
	}
	budget := min(c.left()/3, c.cfg.Time/6)
	n, least, samples := growMost, growLeast, growSamples
	if c.matter.Language == finding.Java {
		n, least, samples = warmUp*n, warmUp*least, 2*samples
	}
	if mean > 0 {
		n = min(n, int(2*budget/mean))
	}
	if c.cfg.Whole {
		n = max(n, 2*least)
	}
	if n < least {
		c.gap("what requests leave behind (memory, descriptors, threads, child processes): %d requests are too few to tell; --time gives more", max(n, 0))
		return nil
	}
	var order []int
	for k := range n {
		order = append(order, index[k%len(index)])
	}
	t, err := c.r.growing(ctx, fmt.Sprintf("%d requests, two at once", n), bed.Options{Slots: 2, Workers: 1, Watch: watch.Settings{Seed: c.cfg.Seed, Heap: true}}, order, samples)
	if err != nil {
		return err
	}
	t.Samples = t.Samples[max(0, len(t.Samples)-growSamples):]
	if c.r.program != nil {
		c.gap("memory that requests leave behind: the program came built with the race detector, whose own memory grows")
		for i := range t.Samples {
			t.Samples[i].Memory = 0
		}
	}
	if len(t.Samples) == 0 {
		c.gap("what requests leave behind: the processes can't be looked at here")
	}
	c.judge(t)
	c.answers(t)
	c.add(t, c.matter.AfterAnswer(t)...)
	return nil
}

// Limits of looking closer (chosen).
const (
	maxSettled = 4 // suspects that are run again
	maxReplays = 12
	replays    = 2 // of one part of the requests
)

// settle makes findings of suspect answers: each must differ from more answers
// alone, and is run again with fewer requests.
func (c *check) settle(ctx context.Context) error {
	seen := map[string]bool{}
	count := map[string]int{}
	for _, s := range c.suspects {
		count[s.key()]++
	}
	settled := 0
	crossed := map[string]bool{}
	for _, s := range c.suspects {
		if s.Finding.Kind == finding.AnswerCrossed {
			crossed[member(s.Path)] = true
		}
	}
	for _, s := range c.suspects {
		if seen[s.key()] || s.Finding.Kind == finding.AnswerChanged && crossed[member(s.Path)] {
			continue
		}
		seen[s.key()] = true
		if settled == maxSettled || c.late() {
			break
		}
		settled++
		ok, err := c.confirm(ctx, s)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		f := s.Finding
		f.Times = count[s.key()]
		f.Evidence, err = c.shrink(ctx, s)
		if err != nil {
			return err
		}
		c.add(s.t, f)
	}
	return nil
}

// key is the same for answers that are wrong for one reason, as far as can be
// told: at the same member of the answer.
func (s suspect) key() string { return string(s.Finding.Kind) + " " + member(s.Path) }

// member is the first member that a path goes through.
func member(path string) string {
	rest := strings.TrimPrefix(path, "$.")
	if i := strings.IndexAny(rest, ".[→"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// confirm runs the event alone some more: an answer that comes then as well is
// no fault. One with another request's data needs no such proof.
func (c *check) confirm(ctx context.Context, s suspect) (bool, error) {
	if s.Finding.Kind != finding.AnswerChanged {
		return true, nil
	}
	i := s.Request.Event
	more, err := c.fresh(ctx, i, sureRuns)
	if err != nil || len(more) == 0 {
		return true, err
	}
	p := c.matter.Events[i].Profile
	q := mask.Learn(append(more, p.Samples()...)...)
	for _, path := range p.Hidden() {
		q.Hide(path[0], path[1])
	}
	return len(q.Compare(s.Request.Answer)) > 0, nil
}

// shrink runs fewer and fewer of the requests in the same way, and says in how
// small a run it still shows.
func (c *check) shrink(ctx context.Context, s suspect) (string, error) {
	victim := slices.IndexFunc(s.t.Requests, func(r trace.Request) bool { return r.ID == s.Request.ID })
	keep := []int{victim}
	if s.Other.ID != "" {
		keep = append(keep, slices.IndexFunc(s.t.Requests, func(r trace.Request) bool { return r.ID == s.Other.ID }))
	}
	c.cfg.Progress("fewest requests that show it")
	var failed error
	runs, hits := 0, 0
	part := shrink.Minimize(len(s.t.Requests), keep, maxReplays, func(part []int) bool {
		for k := range replays {
			if failed != nil || c.late() {
				return false
			}
			runs++
			shows, err := c.replay(ctx, s, part, runs, k)
			if failed = err; shows {
				hits++
				return true
			}
		}
		return false
	})
	if failed != nil {
		return "", failed
	}
	if hits == 0 {
		return fmt.Sprintf("in a run of %d requests; not again in %d shorter ones: it depends on timing", len(s.t.Requests), runs), nil
	}
	names := make([]string, 0, len(part))
	for _, n := range part {
		names = append(names, c.events[s.t.Requests[n].Event].Name)
	}
	return fmt.Sprintf("shows with %d of %d requests, in this order: %s (in %d of %d runs again)", len(part), len(s.t.Requests), joined(names), hits, runs), nil
}

func joined(names []string) string {
	const most = 6
	text := ""
	for i, n := range names {
		if i == most {
			return text + fmt.Sprintf(" and %d more", len(names)-most)
		}
		if i > 0 {
			text += ", "
		}
		text += n
	}
	return text
}

// replay runs a part of a run's requests with their gaps, and tells whether the
// same kind of answer comes up. Of two that overlapped, either may have to begin
// first: every other try turns them round.
func (c *check) replay(ctx context.Context, s suspect, part []int, n, try int) (bool, error) {
	name := fmt.Sprintf("again %d: %s", n, s.t.Name)
	p := plan.Round{Name: name, Seed: c.cfg.Seed + uint64(n), Slots: s.t.Slots, Pause: 0.2, MaxMs: 5, Budget: 50}
	apart := !s.Other.Overlaps(s.Request)
	if c.matter.Language == finding.Python && apart {
		p.Slots = 1 // one process, which is what they share
	}
	if c.matter.Language == finding.Node {
		p.Workers = 1
	}
	var before time.Time
	for _, i := range part {
		r := s.t.Requests[i]
		step := plan.Step{Event: r.Event}
		if !before.IsZero() && len(part) > 2 {
			step.Gap = min(r.Begin.Sub(before), 50*time.Millisecond)
		}
		before = cmp.Or(r.Begin, before)
		p.Steps = append(p.Steps, step)
	}
	if len(part) == 2 && try%2 == 1 && !apart {
		slices.Reverse(p.Steps)
	}
	t, err := c.r.round(ctx, p)
	if err != nil {
		return false, err
	}
	for _, again := range c.matter.Answers(t) {
		if again.Finding.Kind == s.Finding.Kind {
			return true, nil
		}
	}
	return false, nil
}
