package report

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"slices"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// Timeline is the picture of a run: what ran when in which worker, with the
// requests of a finding picked out.
type Timeline struct {
	Title  string
	Notes  []string
	Length time.Duration
	Bars   []Bar
	Marks  []Mark
}

// Bar is one request.
type Bar struct {
	Row      int
	From, To time.Duration
	Label    string
	Role     string // "victim", "other" or ""
}

// Mark is something that happened in a moment.
type Mark struct {
	Row  int
	At   time.Duration
	Text string
	Kind string // "pause", "write", "hold"
}

// maxBars bounds the picture: those around the finding (chosen).
const maxBars = 40

// NewTimeline picks out of a trace what is around a finding.
func NewTimeline(t *trace.Trace, f finding.Finding, names []string) Timeline {
	tl := Timeline{Title: string(f.Kind) + place(f), Notes: []string{f.Text, t.Name}}
	shown := around(t, f)
	if len(shown) == 0 {
		return tl
	}
	begin := shown[0].Begin
	rows := rowsOf(t, shown)
	for _, r := range shown {
		b := Bar{Row: rows[r.ID], From: r.Begin.Sub(begin), To: r.End.Sub(begin), Label: names[r.Event]}
		for i, q := range f.Requests {
			if q.ID == r.ID {
				b.Role = []string{"victim", "other"}[min(i, 1)]
			}
		}
		tl.Length = max(tl.Length, b.To)
		tl.Bars = append(tl.Bars, b)
	}
	for _, fact := range t.Facts {
		row, ok := rows[fact.RequestID]
		at := fact.Time().Sub(begin)
		if m := markOf(fact); ok && m.Kind != "" && at >= 0 && at <= tl.Length {
			m.Row, m.At = row, at
			tl.Marks = append(tl.Marks, m)
		}
	}
	return tl
}

func markOf(f watch.Record) Mark {
	switch f.Kind {
	case watch.Pause:
		return Mark{Kind: "pause", Text: fmt.Sprintf("paused %.0f ms", f.Detail.Ms)}
	case watch.Start, watch.End, watch.LoopBlocked:
		return Mark{}
	case watch.File:
		return Mark{Kind: "write", Text: f.Detail.Op + " " + f.Name}
	}
	return Mark{Kind: "write", Text: string(f.Kind) + " " + f.Name}
}

// around are the requests next to those of the finding, by begin.
func around(t *trace.Trace, f finding.Finding) []trace.Request {
	first, last := len(t.Requests), -1
	for i, r := range t.Requests {
		if slices.ContainsFunc(f.Requests, func(q finding.Request) bool { return q.ID == r.ID }) {
			first, last = min(first, i), max(last, i)
		}
	}
	if last < 0 {
		return nil
	}
	if last-first >= maxBars { // far apart: then the two alone, and what ran at the end
		var list []trace.Request
		list = append(list, t.Requests[first])
		return append(list, t.Requests[last-maxBars/2:min(len(t.Requests), last+maxBars/4)]...)
	}
	spare := (maxBars - (last - first)) / 4
	return t.Requests[max(0, first-spare):min(len(t.Requests), last+1+spare)]
}

// rowsOf gives each request the row of its worker, and without a watch the first
// free one.
func rowsOf(t *trace.Trace, shown []trace.Request) map[string]int {
	workers := map[string]watch.Process{}
	for _, f := range t.Facts {
		if f.Kind == watch.Start {
			workers[f.RequestID] = f.Process()
		}
	}
	rows := map[string]int{}
	type lane struct {
		worker watch.Process
		until  time.Time
	}
	var lanes []lane
	for _, r := range shown {
		w := workers[r.ID]
		at := slices.IndexFunc(lanes, func(l lane) bool { return l.worker == w && !l.until.After(r.Begin) })
		if at < 0 {
			lanes, at = append(lanes, lane{worker: w}), len(lanes)
		}
		lanes[at].until = r.End
		rows[r.ID] = at
	}
	return rows
}

// Sizes, in pixels.
const (
	width   = 960
	left    = 24
	right   = 24
	rowStep = 34
	barHigh = 22
	head    = 52
	note    = 18
	foot    = 40
	perChar = 6.4
)

const style = `<style>
text{font:12px system-ui,sans-serif;fill:#475569}
.title{font-size:16px;font-weight:600;fill:#0f172a}
.ground{fill:#ffffff}
.axis{stroke:#94a3b8}
.bar{fill:#cbd5e1}.victim{fill:#dc2626}.other{fill:#d97706}
.label{fill:#0f172a}.on{fill:#ffffff}
.pause{stroke:#64748b;stroke-width:2}.write{stroke:#1d4ed8;stroke-width:3}
@media(prefers-color-scheme:dark){
text{fill:#94a3b8}.title,.label{fill:#f1f5f9}.ground{fill:#0f172a}.axis{stroke:#475569}.bar{fill:#334155}
.victim{fill:#ef4444}.other{fill:#f59e0b}.write{stroke:#60a5fa}.on{fill:#0f172a}}
</style>
`

// SVG draws the picture.
func (t Timeline) SVG(w io.Writer) error {
	b := bufio.NewWriter(w)
	rows := 1
	for _, bar := range t.Bars {
		rows = max(rows, bar.Row+1)
	}
	top := head + note*(len(t.Notes)+1)
	height := top + rows*rowStep + foot
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(b, "<title>%s</title>\n%s", html.EscapeString(t.Title), style)
	fmt.Fprintf(b, `<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	fmt.Fprintf(b, `<text class="title" x="%d" y="28">%s</text>`+"\n", left, html.EscapeString(fit(t.Title, 110)))
	for i, n := range t.Notes {
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", left, head+note*i, html.EscapeString(fit(n, 150)))
	}
	t.legend(b, head+note*len(t.Notes))
	for _, bar := range t.Bars {
		t.bar(b, bar, top)
	}
	for _, m := range t.Marks {
		x, y := t.x(m.At), top+m.Row*rowStep
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" x2="%.1f" y1="%d" y2="%d"><title>%s</title></line>`+"\n", m.Kind, x, x, y-3, y+barHigh+3, html.EscapeString(m.Text))
	}
	t.clock(b, top+rows*rowStep)
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

func (t Timeline) legend(b io.Writer, y int) {
	x := left
	for _, l := range []struct{ class, text string }{{"victim", "the request that suffers"}, {"other", "the other one"}, {"bar", "others"}} {
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="12" height="12" rx="2"/><text x="%d" y="%d">%s</text>`+"\n", l.class, x, y-10, x+18, y, l.text)
		x += 40 + int(perChar*float64(len(l.text)))
	}
	fmt.Fprintf(b, `<line class="write" x1="%d" x2="%d" y1="%d" y2="%d"/><text x="%d" y="%d">touches what is shared</text>`+"\n", x, x, y-11, y+2, x+10, y)
	x += 170
	fmt.Fprintf(b, `<line class="pause" x1="%d" x2="%d" y1="%d" y2="%d"/><text x="%d" y="%d">paused by the check</text>`+"\n", x, x, y-11, y+2, x+10, y)
}

func (t Timeline) bar(b io.Writer, bar Bar, top int) {
	x, y := t.x(bar.From), top+bar.Row*rowStep
	long := max(3, t.x(bar.To)-x)
	class, text := "bar", "label"
	if bar.Role != "" {
		class, text = bar.Role, "on"
	}
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="3"><title>%s, %d to %d ms</title></rect>`,
		class, x, y, long, barHigh, html.EscapeString(bar.Label), bar.From.Milliseconds(), bar.To.Milliseconds())
	if room := int((long - 8) / perChar); room >= 4 {
		fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%d">%s</text>`, text, x+4, y+15, html.EscapeString(fit(bar.Label, room)))
	}
	fmt.Fprintln(b)
}

func (t Timeline) x(at time.Duration) float64 {
	return left + (width-left-right)*float64(at)/float64(max(t.Length, time.Millisecond))
}

// clock draws the time axis: at most ten round steps.
func (t Timeline) clock(b io.Writer, y int) {
	step := time.Millisecond
	for _, f := range []time.Duration{2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000} {
		if t.Length/step > 10 {
			step = f * time.Millisecond
		}
	}
	for at := time.Duration(0); at <= t.Length; at += step {
		x := t.x(at)
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%d ms</text>`+"\n", x, x, y, y+5, x, y+19, at.Milliseconds())
	}
}

// fit cuts a text to so many characters.
func fit(s string, n int) string {
	r := []rune(oneLine(s))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:max(0, n-1)]) + "…"
}
