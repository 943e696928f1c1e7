// Package chart draws series over time as one SVG picture: panels below each
// other with a common time axis, readable on light and dark ground.
package chart

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"
)

// Line is one series; it has a value for each of the chart's times.
type Line struct {
	Name   string
	Values []float64
}

// Panel is lines with a common scale, which begins at zero.
type Panel struct {
	Title string
	Lines []Line // at most four
}

// Chart is the whole picture.
type Chart struct {
	Title  string
	Notes  []string // lines below the title
	Times  []time.Duration
	Panels []Panel
}

// Sizes, in pixels.
const (
	width   = 960
	left    = 72
	right   = 24
	plot    = 120 // height of a panel's plot
	head    = 34  // of a panel, above its plot
	tail    = 40  // below the last panel
	title   = 40
	note    = 18
	perChar = 6.6 // of a legend's text
)

const style = `<style>
text{font:12px system-ui,sans-serif;fill:#475569}
.title{font-size:17px;font-weight:600;fill:#0f172a}
.panel{font-weight:600;fill:#0f172a}
.ground{fill:#ffffff}
.grid{stroke:#e2e8f0}
.axis{stroke:#94a3b8}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.l1{stroke-dasharray:7 3}
.l0{stroke:#1d4ed8}.l1{stroke:#c2410c}.l2{stroke:#047857}.l3{stroke:#7e22ce}
@media(prefers-color-scheme:dark){
text{fill:#94a3b8}.title,.panel{fill:#f1f5f9}.ground{fill:#0f172a}.grid{stroke:#1e293b}.axis{stroke:#475569}
.l0{stroke:#60a5fa}.l1{stroke:#fb923c}.l2{stroke:#34d399}.l3{stroke:#c084fc}}
</style>
`

// Write draws the chart.
func (c Chart) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	top := title + note*len(c.Notes)
	height := top + len(c.Panels)*(head+plot) + tail
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(b, "<title>%s</title>\n%s", html.EscapeString(c.Title), style)
	fmt.Fprintf(b, `<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	fmt.Fprintf(b, `<text class="title" x="%d" y="28">%s</text>`+"\n", left, html.EscapeString(c.Title))
	for i, n := range c.Notes {
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", left, title+8+note*i, html.EscapeString(n))
	}
	for i, p := range c.Panels {
		c.panel(b, p, top+i*(head+plot)+head)
	}
	if len(c.Panels) > 0 {
		c.clock(b, top+len(c.Panels)*(head+plot))
	}
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

// panel draws one below y.
func (c Chart) panel(b io.Writer, p Panel, y int) {
	highest := 0.0
	for _, l := range p.Lines {
		for _, v := range l.Values {
			highest = max(highest, v)
		}
	}
	step := nice(highest / 4)
	upper := step * math.Max(1, math.Ceil(highest/step-1e-9))
	fmt.Fprintf(b, `<text class="panel" x="%d" y="%d">%s</text>`+"\n", left, y-10, html.EscapeString(p.Title))
	for v := 0.0; v <= upper+step/2; v += step {
		at := float64(y) + plot*(1-v/upper)
		class := "grid"
		if v == 0 {
			class = "axis"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, class, left, width-right, at, at)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-8, at+4, figure(v))
	}
	end := float64(width - right)
	for i := len(p.Lines) - 1; i >= 0; i-- {
		l := p.Lines[i]
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="end">%s</text>`, end, y-10, html.EscapeString(l.Name))
		end -= perChar * float64(len([]rune(l.Name)))
		fmt.Fprintf(b, `<line class="line l%d" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", i, end-24, end-6, y-14, y-14)
		end -= 42
		fmt.Fprintf(b, `<path class="line l%d" d="%s"/>`+"\n", i, c.path(l.Values, upper, float64(y)))
	}
}

// path is a line's points.
func (c Chart) path(values []float64, upper, y float64) string {
	var d strings.Builder
	command := "M"
	for i, v := range values {
		fmt.Fprintf(&d, "%s%.1f %.1f", command, c.x(c.Times[i]), y+plot*(1-v/upper))
		command = "L"
	}
	return d.String()
}

func (c Chart) length() time.Duration {
	if len(c.Times) == 0 {
		return time.Second
	}
	return max(time.Millisecond, c.Times[len(c.Times)-1])
}

func (c Chart) x(at time.Duration) float64 {
	return left + (width-left-right)*float64(at)/float64(c.length())
}

// clock draws the time axis at y.
func (c Chart) clock(b io.Writer, y int) {
	step := interval(c.length())
	for at := time.Duration(0); at <= c.length(); at += step {
		x := c.x(at)
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, y, y+5)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x, y+19, clockText(at))
	}
}

// interval is a round time that fits five to ten times into a length.
func interval(length time.Duration) time.Duration {
	const day = 24 * time.Hour
	for _, d := range []time.Duration{
		100 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 14 * day, 30 * day,
	} {
		if length/d <= 10 {
			return d
		}
	}
	return 60 * day
}

// clockText writes a time without what is zero: 1h30m, 2m, 5s.
func clockText(at time.Duration) string {
	if at == 0 {
		return "0"
	}
	text := at.String()
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if !strings.HasSuffix(text, "m") && !strings.HasSuffix(text, "h") && !strings.HasSuffix(text, "s") {
		return at.String() // the zero belonged to a number: 10s
	}
	return text
}

// nice is the next round number: 1, 2 or 5 times a power of ten.
func nice(x float64) float64 {
	if x <= 0 {
		return 0.25
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x {
			return m * power
		}
	}
	return 10 * power
}

// figure writes a number briefly: 1500000 as 1.5M.
func figure(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", round(v/1e6))
	case v >= 1e4:
		return fmt.Sprintf("%gk", round(v/1e3))
	}
	return fmt.Sprintf("%g", round(v))
}

// round drops what floating point leaves over.
func round(v float64) float64 { return math.Round(v*1e6) / 1e6 }
