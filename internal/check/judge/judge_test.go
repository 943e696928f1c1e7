package judge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/mask"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// The record that the tests judge: three events, of alice, bruno and carla, whose
// answers name their user. Times are in ms.

var people = []string{"alice", "bruno", "carla"}

var begin = time.Unix(1_800_000_000, 0)

func at(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }

func answer(id, body string) mask.Answer {
	return mask.Flatten(mask.Sample{Body: []byte(body), RequestID: id, At: begin})
}

func newCase(l finding.Language) Case {
	c := Case{Language: l}
	for _, p := range people {
		body := fmt.Sprintf(`{"user":"%s-1001","kind":"order"}`, p)
		profile := mask.Learn(answer("", fmt.Sprintf(`{"hello":"%s-1001","n":%d}`, p, len(c.Events)*11111+11111)))
		words := mask.WordsOf([]byte(body))
		c.Events = append(c.Events, Event{Name: p + ".json", Profile: profile, Words: words})
	}
	return c
}

// request r1 is of event 0 and so on; times in ms.
func request(n, event, from, to int, body string) trace.Request {
	id := fmt.Sprintf("r%d", n)
	return trace.Request{ID: id, Event: event, Begin: at(from), End: at(to), Outcome: trace.Answered, Answer: answer(id, body)}
}

func good(n, event, from, to int) trace.Request {
	return request(n, event, from, to, fmt.Sprintf(`{"hello":"%s-1001","n":%d}`, people[event], event*11111+11111))
}

func kinds(fs []finding.Finding) (list []string) {
	for _, f := range fs {
		list = append(list, string(f.Kind)+" "+f.Name)
	}
	return list
}

func TestAnswers(t *testing.T) {
	c := newCase(finding.Node)
	for name, tt := range map[string]struct {
		requests []trace.Request
		want     string // kind path other
	}{
		"all as alone":                {[]trace.Request{good(1, 0, 0, 10), good(2, 1, 5, 15)}, ""},
		"another's name":              {[]trace.Request{request(1, 0, 0, 10, `{"hello":"bruno-1001","n":11111}`), good(2, 1, 5, 15)}, "answer-crossed $.hello r2"},
		"another's number":            {[]trace.Request{request(1, 0, 0, 10, `{"hello":"alice-1001","n":22222}`), good(2, 1, 5, 15)}, "answer-crossed $.n r2"},
		"a small number by chance":    {[]trace.Request{request(1, 0, 0, 10, `{"hello":"alice-1001","n":22}`), good(2, 1, 5, 15)}, "answer-changed $.n r2"},
		"a number that nobody has":    {[]trace.Request{request(1, 0, 0, 10, `{"hello":"alice-1001","n":7}`), good(2, 1, 5, 15)}, "answer-changed $.n r2"},
		"a name more":                 {[]trace.Request{request(1, 0, 0, 10, `{"hello":"alice-1001","n":11111,"seen":["carla-1001"]}`), good(2, 2, 5, 15)}, "answer-crossed $.seen[0] r2"},
		"one that came later":         {[]trace.Request{request(1, 0, 0, 10, `{"hello":"bruno-1001","n":11111}`), good(2, 1, 20, 30)}, "answer-changed $.hello "},
		"one that came before":        {[]trace.Request{good(1, 1, 0, 10), request(2, 0, 20, 30, `{"hello":"bruno-1001","n":11111}`)}, "answer-crossed $.hello r1"},
		"another's request id":        {[]trace.Request{request(1, 0, 0, 10, `{"hello":"for r2","n":11111}`), good(2, 0, 5, 15)}, "answer-crossed $.hello r2"},
		"the same event says nothing": {[]trace.Request{request(1, 0, 0, 10, `{"hello":"alice-1001","n":5}`), good(2, 0, 5, 15)}, "answer-changed $.n r2"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := &trace.Trace{Begin: begin, Requests: tt.requests}
			got := ""
			for _, s := range c.Answers(tr) {
				got = fmt.Sprintf("%s %s %s", s.Finding.Kind, s.Path, s.Other.ID)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCrashesCountOnlyWhereTheEventHasAnAnswerAlone(t *testing.T) {
	c := newCase(finding.Native)
	crashed := good(1, 0, 0, 10)
	crashed.Outcome = trace.Crashed
	tr := &trace.Trace{Begin: begin, Requests: []trace.Request{crashed, good(2, 1, 0, 10)}}
	if s := c.Answers(tr); len(s) != 1 || s[0].Finding.Kind != finding.CrashOverlapped {
		t.Errorf("got %v", s)
	}
	c.Events[0].Profile = nil
	if s := c.Answers(tr); len(s) != 0 {
		t.Errorf("got %v", s)
	}
}

// write is a record of request n.
func write(n int, kind watch.Kind, name string, d watch.Detail) watch.Record {
	return watch.Record{RequestID: fmt.Sprintf("r%d", n), Kind: kind, Name: name, Detail: d, T: at(100).UnixNano(), PID: 7}
}

func TestState(t *testing.T) {
	bind := func(before, after string) watch.Detail {
		return watch.Detail{What: "bind", Before: before, After: after}
	}
	grow := func(added string, size int) watch.Detail {
		return watch.Detail{What: "grow", Added: added, Size: size, Before: "…"}
	}
	for name, tt := range map[string]struct {
		facts []watch.Record
		want  []string
	}{
		"lazy initialisation": {[]watch.Record{write(1, watch.GlobalWrite, "app.client", bind("None", "<Client>"))}, nil},
		"one's data by another's": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.user", bind("None", "'alice-1001'")), write(2, watch.GlobalWrite, "app.user", bind("'alice-1001'", "'bruno-1001'")),
		}, []string{"global-mutated app.user"}},
		"in a class": {[]watch.Record{write(2, watch.ClassWrite, "app.Order.user", bind("'alice-1001'", "'bruno-1001'"))}, []string{"class-mutated app.Order.user"}},
		"in another process each": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.user", bind("None", "'alice-1001'")), {RequestID: "r2", PID: 8, Kind: watch.GlobalWrite, Name: "app.user", Detail: bind("None", "'bruno-1001'")},
		}, nil},
		"a counter": {[]watch.Record{write(1, watch.GlobalWrite, "app.n", bind("0", "1")), write(2, watch.GlobalWrite, "app.n", bind("1", "2"))}, nil},
		"words that all events have": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.kind", bind("'order'", "'order 1'")), write(2, watch.GlobalWrite, "app.kind", bind("'order 1'", "'order 2'")),
		}, nil},
		"a cache by key": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.CACHE", grow("'alice-1001': 1", 1)), write(2, watch.GlobalWrite, "app.CACHE", grow("'bruno-1001': 1", 2)),
		}, nil},
		"a cache's entry made anew": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.CACHE['alice-1001']", watch.Detail{What: "key", Before: "(1, 'alice-1001')", After: "(2, 'alice-1001')"}),
		}, nil},
		"a list that only grows": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.SEEN", grow("'alice-1001'", 1)), write(2, watch.GlobalWrite, "app.SEEN", grow("'bruno-1001'", 2)),
			write(4, watch.GlobalWrite, "app.SEEN", grow("'alice-1001'", 3)), write(5, watch.GlobalWrite, "app.SEEN", grow("'alice-1001'", 4)),
		}, []string{"memory-grows app.SEEN"}},
		"a list that is emptied": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.SEEN", grow("'alice-1001'", 2)), write(4, watch.GlobalWrite, "app.SEEN", grow("'alice-1001'", 1)),
			write(5, watch.GlobalWrite, "app.SEEN", grow("'alice-1001'", 2)), write(2, watch.GlobalWrite, "app.SEEN", grow("'bruno-1001'", 1)),
		}, nil},
		"a default argument": {[]watch.Record{
			write(1, watch.DefaultWrite, "app.add(items)", grow("'alice-1001'", 1)), write(2, watch.DefaultWrite, "app.add(items)", grow("'bruno-1001'", 2)),
		}, []string{"global-mutated app.add(items)"}},
		"environment variables": {[]watch.Record{write(1, watch.EnvWrite, "TENANT", bind("", "a")), write(2, watch.EnvWrite, "TENANT", bind("a", "b"))}, []string{"environment-mutated TENANT"}},
		"one set once":          {[]watch.Record{write(1, watch.EnvWrite, "MODE", bind("", "x")), write(2, watch.EnvWrite, "MODE", bind("", "x"))}, nil},
		"the working folder":    {[]watch.Record{write(1, watch.Chdir, "", bind("/var/task", "/tmp"))}, []string{"process-state chdir"}},
		"a locale set once":     {[]watch.Record{write(1, watch.Locale, "", bind("C", "de"))}, []string{"process-state locale"}},
		"a logger set up late":  {[]watch.Record{write(1, watch.ProcessOther, "handlers of root", bind("0", "1"))}, nil},
		"a handler for each":    {[]watch.Record{write(1, watch.ProcessOther, "handlers of root", bind("0", "1")), write(2, watch.ProcessOther, "handlers of root", bind("1", "2"))}, []string{"process-state handlers of root"}},
		"a rate for each event": {[]watch.Record{
			write(1, watch.GlobalWrite, "app.rate", bind("0", "5")), write(2, watch.GlobalWrite, "app.rate", bind("5", "7")),
			write(4, watch.GlobalWrite, "app.rate", bind("7", "5")), write(6, watch.GlobalWrite, "app.rate", bind("5", "7")),
		}, []string{"global-mutated app.rate"}},
		"a class's list": {[]watch.Record{
			write(1, watch.ClassWrite, "app.Cart.items", grow("1", 1)), write(2, watch.ClassWrite, "app.Cart.items", grow("2", 2)),
			write(4, watch.ClassWrite, "app.Cart.items", grow("1", 3)), write(5, watch.ClassWrite, "app.Cart.items", grow("1", 4)),
		}, []string{"class-mutated app.Cart.items"}},
		"a locale for each": {[]watch.Record{write(1, watch.Locale, "", bind("C", "de")), write(2, watch.Locale, "", bind("de", "fr"))}, []string{"process-state locale"}},
		"nobody's write":    {[]watch.Record{{Kind: watch.GlobalWrite, Name: "app.user", Detail: bind("'alice-1001'", "'bruno-1001'")}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tr := &trace.Trace{Begin: begin, Facts: tt.facts, Requests: []trace.Request{good(1, 0, 0, 10), good(2, 1, 20, 30), good(4, 0, 40, 50), good(5, 0, 60, 70), good(6, 1, 80, 90)}}
			if got := kinds(newCase(finding.Python).State(tr)); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Where requests overlap in one worker, two writes of each event that agree are chance.
func TestStateOfOverlappedRequests(t *testing.T) {
	var facts []watch.Record
	var requests []trace.Request
	for i, value := range []string{"5", "7", "5", "7", "5", "7"} {
		requests = append(requests, good(i, i%2, i*20, i*20+10))
		facts = append(facts, write(i, watch.GlobalWrite, "index.rate", watch.Detail{What: "bind", Before: "0", After: value}))
	}
	for n, want := range map[int]int{4: 0, 6: 1} {
		tr := &trace.Trace{Begin: begin, Facts: facts[:n], Requests: requests}
		if got := kinds(newCase(finding.Node).State(tr)); len(got) != want {
			t.Errorf("%d writes: %q", n, got)
		}
	}
}

func TestFiles(t *testing.T) {
	const path = "/tmp/report.csv"
	op := func(n int, op string) watch.Record { return write(n, watch.File, path, watch.Detail{Op: op}) }
	other := func(n int, op string) watch.Record {
		return write(n, watch.File, "/tmp/lock", watch.Detail{Op: op})
	}
	// r1 and r2 overlap, r3 runs later.
	for name, tt := range map[string]struct {
		facts []watch.Record
		want  int
	}{
		"both write":                    {[]watch.Record{op(1, "write"), op(2, "write")}, 1},
		"one writes, one reads":         {[]watch.Record{op(1, "read"), op(2, "write")}, 1},
		"both read":                     {[]watch.Record{op(1, "read"), op(2, "read")}, 0},
		"not at the same time":          {[]watch.Record{op(1, "write"), op(3, "write")}, 0},
		"one alone":                     {[]watch.Record{op(1, "write"), op(1, "read")}, 0},
		"put in place at once":          {[]watch.Record{op(1, "rename"), op(2, "read")}, 0},
		"made by one":                   {[]watch.Record{op(1, "exclusive"), op(2, "read")}, 0},
		"under one lock":                {[]watch.Record{other(1, "lock"), op(1, "write"), other(1, "unlock"), other(2, "lock"), op(2, "write"), other(2, "unlock")}, 0},
		"one of them without the lock":  {[]watch.Record{other(1, "lock"), op(1, "write"), other(1, "unlock"), op(2, "write")}, 1},
		"once more outside of the lock": {[]watch.Record{other(1, "lock"), op(1, "write"), other(1, "unlock"), op(1, "write"), other(2, "lock"), op(2, "write")}, 1},
		"the file itself is the lock":   {[]watch.Record{op(1, "write"), op(1, "lock"), op(1, "unlock"), op(2, "write"), op(2, "lock")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tr := &trace.Trace{Begin: begin, Facts: tt.facts, Requests: []trace.Request{good(1, 0, 0, 10), good(2, 1, 5, 15), good(3, 2, 20, 30)}}
			if got := newCase(finding.Python).Files(tr); len(got) != tt.want {
				t.Errorf("got %v, want %d findings", kinds(got), tt.want)
			}
		})
	}
}

func TestWorkAfterAnswer(t *testing.T) {
	late := func(n int) watch.Record {
		r := write(n, watch.WorkAfterAnswer, "app.audit", watch.Detail{})
		r.T = at(n + 1).UnixNano()
		return r
	}
	tr := &trace.Trace{Begin: begin, Facts: []watch.Record{late(1), late(1)}, Requests: []trace.Request{good(1, 0, 0, 1), good(2, 1, 1, 15)}}
	if got := newCase(finding.Node).AfterAnswer(tr); len(got) != 0 {
		t.Errorf("of one request alone: %v", kinds(got))
	}
	tr.Facts = append(tr.Facts, late(2))
	if got := newCase(finding.Node).AfterAnswer(tr); len(got) != 1 || len(got[0].Requests) != 2 || got[0].Times != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestBlocked(t *testing.T) {
	for name, tt := range map[string]struct {
		ms   []float64
		want int
	}{
		"each time": {[]float64{250, 260, 400}, 1}, "a busy machine": {[]float64{250, 0, 400}, 0}, "too few": {[]float64{250, 250}, 0}, "one of six untold": {[]float64{250, 0, 260, 250, 300, 250}, 1}, "two of six": {[]float64{250, 0, 260, 0, 300, 250}, 0}, "briefly": {[]float64{60, 70, 80}, 0},
	} {
		tr := &trace.Trace{Begin: begin}
		for i, ms := range tt.ms {
			tr.Requests = append(tr.Requests, good(i, 0, i*10, i*10+5))
			if ms > 0 {
				tr.Facts = append(tr.Facts, write(i, watch.LoopBlocked, "", watch.Detail{Ms: ms}))
			}
		}
		if got := newCase(finding.Node).Blocked(tr); len(got) != tt.want {
			t.Errorf("%s: got %v", name, kinds(got))
		}
	}
}

func TestConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		connects string // x where request n connects
		want     int
	}{
		"each": {"xxxxxx", 1}, "once": {"x.....", 0}, "a pool that fills": {"xx....", 0}, "most": {"xx.xxxxxx", 1}, "now and then": {"x..x..x..", 0},
	} {
		tr := &trace.Trace{Begin: begin}
		for i, x := range tt.connects {
			tr.Requests = append(tr.Requests, good(i, 0, i*10, i*10+5))
			tr.Facts = append(tr.Facts, write(i, watch.Start, "", watch.Detail{}))
			if x == 'x' {
				tr.Facts = append(tr.Facts, write(i, watch.Connection, "127.0.0.1:80", watch.Detail{}))
			}
		}
		if got := newCase(finding.Python).Connections(tr); len(got) != tt.want {
			t.Errorf("%s: got %v", name, kinds(got))
		}
	}
}

func TestGrowth(t *testing.T) {
	for name, tt := range map[string]struct {
		language finding.Language
		samples  [][4]int // MiB, descriptors, threads, processes
		want     []string
	}{
		"nothing":            {finding.Python, [][4]int{{10, 9, 2, 2}, {10, 9, 2, 2}, {10, 9, 2, 2}, {10, 9, 2, 2}, {10, 9, 2, 2}}, nil},
		"descriptors":        {finding.Python, [][4]int{{0, 9, 2, 2}, {0, 19, 2, 2}, {0, 29, 2, 2}, {0, 39, 2, 2}, {0, 49, 2, 2}}, []string{"descriptors-grow "}},
		"a pool that fills":  {finding.Python, [][4]int{{0, 9, 2, 2}, {0, 19, 12, 2}, {0, 19, 12, 2}, {0, 19, 12, 2}, {0, 19, 12, 2}}, nil},
		"threads":            {finding.Python, [][4]int{{0, 9, 2, 2}, {0, 9, 12, 2}, {0, 9, 22, 2}, {0, 9, 32, 2}, {0, 9, 42, 2}}, []string{"threads-grow "}},
		"children":           {finding.Python, [][4]int{{0, 9, 2, 2}, {0, 9, 12, 12}, {0, 9, 22, 22}, {0, 9, 32, 32}, {0, 9, 42, 42}}, []string{"children-grow "}},
		"memory":             {finding.Python, [][4]int{{10, 9, 2, 2}, {13, 9, 2, 2}, {16, 9, 2, 2}, {19, 9, 2, 2}, {22, 9, 2, 2}}, []string{"memory-grows "}},
		"garbage of Node.js": {finding.Node, [][4]int{{10, 9, 2, 2}, {11, 9, 2, 2}, {12, 9, 2, 2}, {13, 9, 2, 2}, {14, 9, 2, 2}}, nil},
	} {
		tr := &trace.Trace{Begin: begin}
		for i, m := range tt.samples {
			tr.Samples = append(tr.Samples, trace.Sample{After: (i + 1) * 10, Measure: trace.Measure{Memory: int64(m[0]) << 20, Descriptors: m[1], Threads: m[2], Processes: m[3]}})
		}
		if got := kinds(newCase(tt.language).Growth(tr)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestLog(t *testing.T) {
	for text, want := range map[string]string{
		`{"message":"hello","requestId":"r1"}`:       "",
		`{"msg":"hello","requestID":"r1","level":1}`: "",
		`{"message":"hello","requestId":""}`:         "", // the runtime's, outside of requests
		`{"message":"hello"}`:                        "log-line no request id",
		`{"message":"hello","requestId":"r9"}`:       "log-line no request id",
		`hello r1`:                                   "log-line no JSON",
		`2026/11/26 15:04:09 {"errorMessage":"no file","errorType":"PathError"}`: "", // aws-lambda-go's
		`  `: "",
	} {
		tr := &trace.Trace{Begin: begin, Requests: []trace.Request{good(1, 0, 10, 20)}, Log: []trace.Line{{At: at(15), Text: text}}}
		got := ""
		for _, k := range kinds(newCase(finding.Native).Log(tr)) {
			got += k
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	crash := good(2, 0, 10, 20)
	crash.Outcome = trace.Crashed
	last := &trace.Trace{Begin: begin, Requests: []trace.Request{crash}, Log: []trace.Line{{At: at(15), Text: "fatal error: concurrent map writes"}}}
	if got := newCase(finding.Native).Log(last); len(got) > 0 {
		t.Errorf("last words of a process: %v", kinds(got))
	}
	init := &trace.Trace{Begin: begin, Requests: []trace.Request{good(1, 0, 10, 20)}, Log: []trace.Line{{At: at(5), Text: "starting"}}}
	if got := newCase(finding.Native).Log(init); len(got) > 0 {
		t.Errorf("what init says has no request: %v", kinds(got))
	}
}

func TestTimeouts(t *testing.T) {
	slow := good(1, 0, 0, 1000)
	slow.Outcome = trace.TimedOut
	tr := &trace.Trace{Begin: begin, Alone: true, Requests: []trace.Request{slow}}
	c := newCase(finding.Python)
	if got := c.Timeouts(tr, time.Second); len(got) > 0 {
		t.Errorf("its slot is free again: %v", kinds(got))
	}
	tr.Requests[0].Held = true
	if got := c.Timeouts(tr, time.Second); len(got) != 1 || got[0].Kind != finding.OutlivesTimeout {
		t.Errorf("got %v", kinds(got))
	}
}

func TestRaces(t *testing.T) {
	own := func(write bool, line int) trace.Access {
		return trace.Access{Write: write, Stack: []trace.Frame{
			{Function: "runtime.mapassign", File: "/opt/go/map.go", Line: 9}, {Function: "main.handler", File: "main.go", Line: line, Own: true},
		}}
	}
	run := &trace.Trace{Begin: begin, Requests: []trace.Request{good(1, 0, 0, 30), good(2, 1, 10, 50), good(3, 2, 60, 70)}}
	run.Races = []trace.Race{{At: at(20), This: own(true, 21), Before: own(false, 17)}, {At: at(65), This: own(true, 24), Before: own(true, 21)}, {At: at(66)}}
	fs := newCase(finding.Native).Races(run)
	if len(fs) != 2 || fs[0].Kind != finding.DataRace || fs[0].File != "main.go" || fs[0].Line != 21 || len(fs[0].Requests) != 2 || len(fs[1].Requests) != 1 {
		t.Fatalf("%+v", fs)
	}
	if fs[0].Got != "write in main.handler main.go:21" || fs[0].Expected != "read in main.handler main.go:17" || fs[0].Remedy == "" {
		t.Errorf("%+v", fs[0])
	}
}

// A batch that grows while all who put something in still run is no leak.
func TestABatchIsNoLeak(t *testing.T) {
	run := &trace.Trace{Begin: begin}
	for n := 1; n <= 8; n++ {
		run.Requests = append(run.Requests, good(n, n%2, n, 40))
		run.Facts = append(run.Facts, write(n, watch.GlobalWrite, "index.batch", watch.Detail{What: "grow", Added: "[<bound>]", Size: n}))
	}
	c := newCase(finding.Node)
	if got := kinds(c.State(run)); len(got) != 0 {
		t.Errorf("of a batch: %q", got)
	}
	run.Requests[0].End, run.Requests[1].End = at(2), at(3)
	if got := kinds(c.State(run)); !slices.Equal(got, []string{"memory-grows index.batch"}) {
		t.Errorf("of what stays when its requests are done: %q", got)
	}
}
