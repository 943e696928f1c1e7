// Package check finds out whether a function is safe when its requests overlap.
//
// It learns how each event is answered alone, several times, in fresh and in
// used environments; then runs the events overlapped in many ways, from two at
// once to the most there can be, and compares. Besides it takes what the watch
// in the language's bootstrap tells, and what can be seen of the processes.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/judge"
	"github.com/lamina-dev/lamina/internal/check/race"
	"github.com/lamina-dev/lamina/internal/check/report"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Config is what to check, and how.
type Config struct {
	Function bed.Function // TaskDir is copied; the copy is what runs
	Go       *GoBuild     // the function's, whose Dir is Function.TaskDir; nil: it came built
	Events   []Event      // at least one
	MaxSlots int          // most requests at once; 0: the runtime's default, at most DefaultSlots
	Time     time.Duration
	Whole    bool // the first pass is made whole, however long that takes
	Seed     uint64
	Sandbox  sandbox.Sandbox
	Runtimes runtimes.Places   // where the runtime may come from
	Scratch  string            // folder for what is made meanwhile; "": the system's
	Progress func(text string) // may be nil
}

// Defaults of a check.
const (
	DefaultTime  = 60 * time.Second
	DefaultSlots = 16 // AWS's for Python and one vCPU (lmi-service.md); more adds little to what is found
)

// NotCheckable is why there can be no verdict, and what to provide.
type NotCheckable struct {
	Why     string
	Provide string
}

func (e *NotCheckable) Error() string {
	if e.Provide == "" {
		return e.Why
	}
	return e.Why + "\n  " + e.Provide
}

// Run checks a function. An error, often a *NotCheckable, means that there is no
// verdict; findings are in the report.
func Run(ctx context.Context, cfg Config) (report.Report, error) {
	cfg.Time = cmp.Or(cfg.Time, DefaultTime)
	cfg.MaxSlots = max(2, cmp.Or(cfg.MaxSlots, DefaultSlots))
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if len(cfg.Events) == 0 {
		return report.Report{}, &NotCheckable{"There are no events to run.", "Put some that the function really gets, as JSON files of different content, into a folder and name it with --events DIR."}
	}
	dir, err := os.MkdirTemp(cfg.Scratch, "lamina-check-")
	if err != nil {
		return report.Report{}, fmt.Errorf("make a folder for the check: %w", err)
	}
	defer os.RemoveAll(dir)
	c, err := newCheck(ctx, cfg, dir)
	if err != nil {
		return report.Report{}, err
	}
	defer c.r.close()
	err = c.run(ctx)
	if f, ok := errors.AsType[*bed.InitFailure](err); ok {
		err = &NotCheckable{"The function can't be loaded. " + f.Error(), "See that the code is complete, packages included, and that --handler and --runtime are right; variables come by --env NAME=VALUE."}
	}
	if err != nil {
		return report.Report{}, err
	}
	return c.report(), nil
}

// check is one on its way.
type check struct {
	cfg    Config
	r      *runner
	matter judge.Case
	began  time.Time
	until  time.Time // when to come to an end

	events   []event
	found    finding.Set
	suspects []suspect
	shown    map[string]*trace.Trace // by request id: the run in which a finding's first request was
	runs     []report.Run
	gaps     []string // not covered
	watched  bool     // the watch told something
	passed   progress // of the first pass of overlapped requests

	dependent map[string]bool // paths of answers that depend on what ran before
}

// event is what is learned of one.
type event struct {
	Event
	alone   time.Duration
	outcome trace.Outcome
	left    string // why it is left out of what overlaps; "" if it is not
}

// suspect is an answer under suspicion, with the run that showed it.
type suspect struct {
	judge.Suspect
	t *trace.Trace
}

func newCheck(ctx context.Context, cfg Config, dir string) (*check, error) {
	task, err := copyCode(cfg.Function.TaskDir, filepath.Join(dir, "task"))
	if err != nil {
		return nil, err
	}
	cfg.Function.TaskDir = task
	host, err := bed.NewHost(ctx, cfg.Sandbox, cfg.Function, filepath.Join(dir, "bed"), cfg.Runtimes)
	if err != nil {
		return nil, &NotCheckable{Why: "The function can't be run here: " + err.Error()}
	}
	began := time.Now() // what had to be built is built
	r := &runner{host: host, program: race.Of(filepath.Join(task, bootstrapFile), cfg.Function.TaskDir), events: cfg.Events, timeout: cfg.Function.Timeout, seed: cfg.Seed}
	if err := r.race(ctx, cfg, dir); err != nil {
		host.Close()
		return nil, err
	}
	c := &check{
		cfg: cfg, began: began, until: began.Add(cfg.Time), shown: map[string]*trace.Trace{}, dependent: map[string]bool{},
		r:      r,
		matter: judge.Case{Language: host.Language()},
	}
	for _, e := range cfg.Events {
		c.events = append(c.events, event{Event: e})
		c.matter.Events = append(c.matter.Events, judge.Event{Name: e.Name})
	}
	return c, nil
}

// run is the whole check.
func (c *check) run(ctx context.Context) error {
	// What runs when the time is over gets some more to end by itself.
	limit := c.until.Add(overtime(c.cfg.Time))
	if c.cfg.Whole {
		limit = c.until.Add(wholeTime)
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	for _, step := range []func(context.Context) error{c.learn, c.overlap, c.settle} {
		err := step(ctx)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.gap("the time was over before all was run; --time gives more")
			break
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
	}
	return c.enough()
}

// progress is how many rounds of a pass are done.
type progress struct {
	done, of int
	began    time.Time
}

// enough refuses to call a function right whose requests have not overlapped in
// all the ways of a first pass.
func (c *check) enough() error {
	p := c.passed
	switch {
	case c.found.Len() > 0 || p.of > 0 && p.done == p.of:
		return nil
	case len(c.overlapping()) == 0:
		var why []string
		for _, e := range c.events {
			why = append(why, e.Name+": "+e.left)
		}
		return &NotCheckable{"No event can be overlapped with others:\n  " + strings.Join(firstOf(why, 4), "\n  "), "Provide events that the function answers well alone (--events DIR), and more time for each (--timeout) if that is what they lack."}
	}
	need := 2 * c.cfg.Time
	if p.done > 0 { // what came before, and all rounds at the pace of those that were
		rounds := time.Since(p.began) / time.Duration(p.done) * time.Duration(p.of)
		need = max(c.cfg.Time+5*time.Second, p.began.Sub(c.began)+rounds*5/4)
	}
	return &NotCheckable{
		fmt.Sprintf("Nothing was found, but the time was over after %d of %d rounds of overlapped requests.", p.done, max(p.of, 1)),
		fmt.Sprintf("Give more: --time %ds, or fewer or quicker events.", int(need.Round(5*time.Second).Seconds())),
	}
}

// overtime is how long past its time a check may run: an environment's end and
// the answers on their way.
func overtime(d time.Duration) time.Duration { return max(5*time.Second, d/10) }

// wholeTime bounds a first pass that is made whole (chosen).
const wholeTime = 5 * time.Minute

// left is how much time there is; none when it is over.
func (c *check) left() time.Duration { return time.Until(c.until) }

// late tells that so much of the overtime is gone that nothing new may begin.
func (c *check) late() bool { return !c.cfg.Whole && c.left() < -overtime(c.cfg.Time)/2 }

func (c *check) gap(format string, args ...any) {
	c.gaps = append(c.gaps, fmt.Sprintf(format, args...))
}

// judge takes in a run: what it shows besides its answers.
func (c *check) judge(t *trace.Trace) {
	c.runs = append(c.runs, report.Run{Name: t.Name, Slots: t.Slots, Requests: len(t.Requests)})
	c.watched = c.watched || c.r.host.Watched() && len(t.Facts) > 0
	j := c.matter
	c.add(t, j.State(t)...)
	c.add(t, j.Log(t)...)
	c.add(t, j.Timeouts(t, c.r.timeout)...)
	c.add(t, j.Races(t)...)
	if !t.Alone {
		c.add(t, j.Files(t)...)
		c.add(t, j.Growth(t)...)
	}
}

func (c *check) add(t *trace.Trace, fs ...finding.Finding) {
	for _, f := range fs {
		if len(f.Requests) > 0 && c.shown[f.Requests[0].ID] == nil {
			c.shown[f.Requests[0].ID] = t
		}
	}
	c.found.Add(fs...)
}

// answers takes in a run's answers; what is wrong with them is settled at the end.
func (c *check) answers(t *trace.Trace) {
	for _, s := range c.matter.Answers(t) {
		c.suspects = append(c.suspects, suspect{s, t})
	}
}

// report is the outcome.
func (c *check) report() report.Report {
	fn := c.cfg.Function
	r := report.Report{
		Function: fn.Name, Runtime: fn.Runtime, Handler: fn.Handler, Language: c.matter.Language, Interpreter: c.interpreter(),
		Seed: c.cfg.Seed, MaxSlots: c.cfg.MaxSlots, Took: time.Since(c.began), Runs: c.runs, Findings: c.found.List(), NotCovered: c.notCovered(),
	}
	names := make([]string, len(c.events))
	for i, e := range c.events {
		names[i] = e.Name
		ev := report.Event{Name: e.Name, Alone: e.alone, Outcome: string(e.outcome)}
		if p := c.matter.Events[i].Profile; p != nil {
			for _, m := range p.Masked() {
				ev.Masked = append(ev.Masked, report.Masked{Path: m[0], Why: m[1]})
			}
		}
		r.Events = append(r.Events, ev)
	}
	for _, f := range r.Findings {
		var tl report.Timeline
		if len(f.Requests) > 0 {
			if t := c.shown[f.Requests[0].ID]; t != nil {
				tl = report.NewTimeline(t, f, names)
			}
		}
		r.Timelines = append(r.Timelines, tl)
	}
	return r
}

// interpreter is what ran the function, in words.
func (c *check) interpreter() string {
	if c.r.hasDetector() {
		return c.r.host.Interpreter() + " (with Go's race detector)"
	}
	return c.r.host.Interpreter()
}

// notCovered is what nobody should think was looked at.
func (c *check) notCovered() []string {
	list := c.gaps
	switch {
	case c.watched:
	case c.r.hasDetector():
		list = append(list, "files and connections: Go has no watch; answers, processes, log lines and the race detector's reports were looked at")
	default:
		list = append(list, fmt.Sprintf("variables, files, connections and work after the answer: the runtime %s has no watch; answers, processes and log lines were looked at", c.cfg.Function.Runtime))
	}
	if b := c.cfg.Go; b != nil && b.Why != "" {
		list = append(list, "data races: the function could not be built with the race detector ("+b.Why+")")
	}
	if len(c.events) == 1 {
		list = append(list, "data of other requests: all have the same event, so its answer can't carry another's; give four or more of different data")
	}
	return append(list, "what the events do not reach, other services' own concurrency, and interleavings that did not come up: nothing found is no proof")
}
