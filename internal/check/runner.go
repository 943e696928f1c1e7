package check

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/check/mask"
	"github.com/lamina-dev/lamina/internal/check/plan"
	"github.com/lamina-dev/lamina/internal/check/race"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
)

// Limits of a run (chosen).
const (
	// heldAfter is how long after its timeout a request must still have its slot to be a finding.
	heldAfter = time.Second
	// slotTime bounds the wait for a slot that some request keeps.
	slotTime = 10 * time.Second
	// lingerTime is how long an environment stays after its last request.
	lingerTime = 300 * time.Millisecond
	// pollTime is between two looks whether a slot is free.
	pollTime = time.Millisecond
)

// runner runs requests in environments of the function and keeps the record.
type runner struct {
	host    *bed.Host
	program *race.Program // what host runs; nil without Go's race detector
	raced   *bed.Host     // nil: no program with it was built
	racing  *race.Program // what raced runs
	events  []Event
	timeout time.Duration
	seed    uint64
}

// race prepares the program that was built with the race detector.
func (r *runner) race(ctx context.Context, cfg Config, dir string) error {
	if cfg.Go == nil || cfg.Go.Raced == "" {
		return nil
	}
	fn := cfg.Function
	fn.Variables = map[string]string{"GORACE": race.Settings}
	maps.Copy(fn.Variables, cfg.Function.Variables)
	var err error
	if fn.TaskDir, err = copyCode(cfg.Go.Raced, filepath.Join(dir, "raced")); err != nil {
		return err
	}
	r.racing = race.Of(filepath.Join(fn.TaskDir, bootstrapFile), cfg.Go.source)
	r.raced, err = bed.NewHost(ctx, cfg.Sandbox, fn, filepath.Join(dir, "racing"), cfg.Runtimes)
	return err
}

// hasDetector tells whether the race detector looks on in some runs.
func (r *runner) hasDetector() bool { return r.program != nil || r.racing != nil }

func (r *runner) close() {
	r.host.Close()
	if r.raced != nil {
		r.raced.Close()
	}
}

// requestID names a request, the same one for the same seed: where the watch
// pauses depends on it.
func (r *runner) requestID(run string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", r.seed, run, n))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// live is an environment that runs, with its record.
type live struct {
	r   *runner
	env *bed.Environment
	t   *trace.Trace
	by  *race.Program // nil without Go's race detector

	mu    sync.Mutex // guards t.Requests while requests run
	count int        // of requests begun
}

// start starts an environment for a run of that name.
func (r *runner) start(ctx context.Context, name string, o bed.Options) (*live, error) {
	return r.startOn(ctx, r.host, r.program, name, o)
}

func (r *runner) startOn(ctx context.Context, host *bed.Host, by *race.Program, name string, o bed.Options) (*live, error) {
	env, err := host.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return &live{r: r, env: env, by: by, t: &trace.Trace{Name: name, Slots: o.Slots, Begin: time.Now()}}, nil
}

// finish ends the environment and completes the record.
func (l *live) finish() *trace.Trace {
	l.t.Facts, l.t.Log = l.env.Facts(), l.env.Log()
	l.env.Close()
	if l.by != nil {
		l.t.Log, l.t.Races = l.by.Split(l.t.Log)
	}
	l.byFacts()
	if len(l.t.Facts) == 0 {
		l.t.Facts = lateLines(l.t)
	}
	slices.SortStableFunc(l.t.Requests, func(a, b trace.Request) int { return a.Begin.Compare(b.Begin) })
	return l.t
}

// lateLines are facts where there is no watch: a line with the id of a request
// that was answered before shows that its work goes on. All that was written
// before an answer has been read by its end.
func lateLines(t *trace.Trace) (facts []watch.Record) {
	for _, line := range t.Log {
		for _, q := range t.Requests {
			if q.Outcome == trace.Answered && line.At.After(q.End) && strings.Contains(line.Text, q.ID) {
				facts = append(facts, watch.Record{T: line.At.UnixNano(), RequestID: q.ID, Kind: watch.WorkAfterAnswer, Name: "what logs after the answer"})
			}
		}
	}
	return facts
}

// byFacts takes the times at which the handler ran from who knows them best,
// and finds out which handlers ran on after their timeout.
func (l *live) byFacts() {
	start, end := map[string]time.Time{}, map[string]time.Time{}
	for _, f := range l.t.Facts {
		switch f.Kind {
		case watch.Start:
			start[f.RequestID] = f.Time()
		case watch.End:
			end[f.RequestID] = f.Time()
		}
	}
	for i := range l.t.Requests {
		q := &l.t.Requests[i]
		began, ok := start[q.ID]
		if !ok {
			continue
		}
		answered := q.End
		q.Begin = began
		ended, ok := end[q.ID]
		switch {
		case ok && ended.After(began):
			q.End = ended
		case !ok && (q.Outcome == trace.TimedOut || q.Outcome == trace.Cut):
			ended = time.Now()
			q.End = ended
		}
		if q.Outcome == trace.TimedOut && ended.Sub(answered) > heldAfter {
			q.Held = true
		}
	}
}

// request runs one and records it; cut is its timeout if not 0.
func (l *live) request(ctx context.Context, event int, cut time.Duration) trace.Request {
	l.mu.Lock()
	l.count++
	q := trace.Request{ID: l.r.requestID(l.t.Name, l.count), Event: event}
	l.mu.Unlock()
	e := l.r.events[event]
	res, err := l.invoke(ctx, &q, e.Body, cut)
	q.End = time.Now()
	if err != nil {
		return q // nothing ran: no part of the record
	}
	q.Outcome = outcomeOf(res, cut)
	q.Answer = mask.Flatten(mask.Sample{Body: res.Body, Error: res.Status != runtimeapi.StatusOK, RequestID: q.ID, Event: e.Body, At: q.End})
	l.mu.Lock()
	l.t.Requests = append(l.t.Requests, q)
	l.mu.Unlock()
	return q
}

// invoke tries until a slot is free: a request that was cut short keeps its own for a while.
func (l *live) invoke(ctx context.Context, q *trace.Request, body []byte, cut time.Duration) (runtimeapi.Result, error) {
	for until := time.Now().Add(slotTime); ; {
		q.Begin = time.Now()
		res, err := l.env.Invoke(ctx, bed.Call{RequestID: q.ID, Body: body, Timeout: cut})
		if !errors.Is(err, runtimeapi.ErrBusy) || time.Now().After(until) {
			return res, err
		}
		if err := sleep(ctx, pollTime); err != nil {
			return res, err
		}
	}
}

func outcomeOf(res runtimeapi.Result, cut time.Duration) trace.Outcome {
	switch res.Status {
	case runtimeapi.StatusOK:
		return trace.Answered
	case runtimeapi.StatusTimeout:
		if cut > 0 {
			return trace.Cut
		}
		return trace.TimedOut
	case runtimeapi.StatusFailed:
		return trace.Crashed
	}
	var body struct{ ErrorType string }
	_ = json.Unmarshal(res.Body, &body) // an unreadable one is no crash's
	if body.ErrorType == "Runtime.ExitError" || body.ErrorType == "Runtime.OutOfMemory" {
		return trace.Crashed
	}
	return trace.Failed
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alone runs events one after the other, the next one when the one before is
// done with its slot; skip tells which to leave out by now.
func (r *runner) alone(ctx context.Context, name string, o bed.Options, order []int, skip func(event int) bool) (*trace.Trace, error) {
	l, err := r.start(ctx, name, o)
	if err != nil {
		return nil, err
	}
	l.t.Alone = true
	for _, event := range order {
		if ctx.Err() != nil || skip != nil && skip(event) {
			continue
		}
		q := l.request(ctx, event, 0)
		if q.Outcome == trace.TimedOut {
			l.await(ctx, q)
		}
		if l.ended() {
			break
		}
	}
	return l.finish(), nil
}

func (l *live) ended() bool {
	select {
	case <-l.env.Ended():
		return true
	default:
		return false
	}
}

// await gives a request that timed out the time to leave its slot, and notes
// that it did not.
func (l *live) await(ctx context.Context, q trace.Request) {
	if l.env.Settle(ctx, heldAfter) {
		return
	}
	l.mu.Lock()
	for i := range l.t.Requests {
		if l.t.Requests[i].ID == q.ID {
			l.t.Requests[i].Held = true
		}
	}
	l.mu.Unlock()
	l.env.Settle(ctx, slotTime)
}

// round runs a plan's round, with the race detector where that was built.
func (r *runner) round(ctx context.Context, p plan.Round) (*trace.Trace, error) {
	host, by := r.host, r.program
	if r.raced != nil {
		host, by = r.raced, r.racing
	}
	l, err := r.startOn(ctx, host, by, p.Name, bed.Options{Slots: p.Slots, Workers: p.Workers, Watch: settings(p)})
	if err != nil {
		return nil, err
	}
	held, release := context.WithCancel(ctx)
	var holds sync.WaitGroup
	holds.Go(func() { l.hold(held, p.Holds) })
	l.steps(ctx, p.Steps)
	release()
	holds.Wait()
	l.env.Settle(ctx, r.timeout+heldAfter) // what was cut short runs on
	_ = sleep(ctx, lingerTime)             // and what nobody waited for may still begin
	return l.finish(), nil
}

func settings(p plan.Round) watch.Settings {
	return watch.Settings{Seed: p.Seed, Pause: p.Pause, PauseMaxMs: p.MaxMs, PauseBudgetMs: p.Budget}
}

// steps starts each request when its time has come and a slot is free.
func (l *live) steps(ctx context.Context, steps []plan.Step) {
	free := make(chan struct{}, l.t.Slots)
	var running sync.WaitGroup
	defer running.Wait()
	for _, s := range steps {
		if sleep(ctx, s.Gap) != nil || l.ended() {
			return
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			defer func() { <-free }()
			l.request(ctx, s.Event, s.Cut)
		})
	}
}

// hold stops workers as planned, and lets each go again.
func (l *live) hold(ctx context.Context, holds []plan.Hold) {
	begin := time.Now()
	for _, h := range holds {
		if sleep(ctx, time.Until(begin.Add(h.At))) != nil {
			return
		}
		workers := l.env.Workers()
		if len(workers) == 0 {
			continue
		}
		from := time.Now()
		release := l.env.Hold(workers[h.Worker%len(workers)])
		_ = sleep(ctx, h.For) // an early end lets it go early
		release()
		l.t.Holds = append(l.t.Holds, trace.Hold{Begin: from, End: time.Now()})
	}
}

// growing runs count requests two by two and measures in between.
func (r *runner) growing(ctx context.Context, name string, o bed.Options, order []int, samples int) (*trace.Trace, error) {
	l, err := r.start(ctx, name, o)
	if err != nil {
		return nil, err
	}
	each := max(1, len(order)/samples)
	for i := 0; i < len(order) && ctx.Err() == nil && !l.ended(); i += each {
		var steps []plan.Step
		for _, e := range order[i:min(len(order), i+each)] {
			steps = append(steps, plan.Step{Event: e})
		}
		l.steps(ctx, steps)
		if !l.env.Settle(ctx, r.timeout+slotTime) {
			break
		}
		_ = sleep(ctx, lingerTime/3) // what is on its way out is not left behind
		if m, ok := l.env.Measure(); ok {
			l.t.Samples = append(l.t.Samples, trace.Sample{After: i + len(steps), Measure: m})
		}
	}
	return l.finish(), nil
}
