// Package report writes what lamina check found: for people, as JSON, as JUnit
// and SARIF for CI, and as a picture of the run that showed it.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
)

// Event is what was learned of one of the function's events.
type Event struct {
	Name    string        `json:"name"`
	Alone   time.Duration `json:"alone"`   // its time alone, ns
	Outcome string        `json:"outcome"` // answered, failed, timed out
	Masked  []Masked      `json:"masked,omitempty"`
}

// Masked is a place of an answer that is not compared.
type Masked struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// Run is one environment that was put through requests.
type Run struct {
	Name     string `json:"name"`
	Slots    int    `json:"slots"`
	Requests int    `json:"requests"`
}

// Report is the outcome of a check.
type Report struct {
	Function    string            `json:"function"`
	Runtime     string            `json:"runtime"`
	Handler     string            `json:"handler"`
	Language    finding.Language  `json:"language"`
	Seed        uint64            `json:"seed"`
	MaxSlots    int               `json:"maxSlots"`
	Took        time.Duration     `json:"took"` // ns
	Events      []Event           `json:"events"`
	Runs        []Run             `json:"runs"`
	Findings    []finding.Finding `json:"findings"`
	NotCovered  []string          `json:"notCovered"`
	Timelines   []Timeline        `json:"-"` // one of each finding that has a run to show
	Interpreter string            `json:"interpreter"`
}

// Requests is how many there were in all.
func (r Report) Requests() (n int) {
	for _, run := range r.Runs {
		n += run.Requests
	}
	return n
}

// JSON writes the whole report.
func (r Report) JSON(w io.Writer) error {
	if r.Findings == nil {
		r.Findings = []finding.Finding{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Text writes the report for people.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, handler %s, up to %d requests at once, seed %d\n\n", r.Function, r.Interpreter, r.Handler, r.MaxSlots, r.Seed)
	r.ran(&b)
	if len(r.Findings) == 0 {
		fmt.Fprintf(&b, "\nNothing found.\n")
	} else {
		fmt.Fprintf(&b, "\nFound %s.\n", count(len(r.Findings), "thing"))
		for i, f := range r.Findings {
			writeFinding(&b, i+1, f)
		}
	}
	if len(r.NotCovered) > 0 {
		b.WriteString("\nNot covered\n")
		for _, n := range r.NotCovered {
			fmt.Fprintf(&b, "  - %s\n", n)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) ran(b *strings.Builder) {
	fmt.Fprintf(b, "Ran %s in %s, %.1f s.\n", count(r.Requests(), "request"), count(len(r.Runs), "environment"), r.Took.Seconds())
	for _, e := range r.Events {
		fmt.Fprintf(b, "  %-24s %s alone in %s\n", e.Name, e.Outcome, briefly(e.Alone))
		for _, m := range e.Masked {
			fmt.Fprintf(b, "    not compared: %s (%s)\n", m.Path, m.Why)
		}
	}
	fmt.Fprintf(b, "In this language, %s.\n", r.Language.Shares())
}

// briefly writes a time with as many digits as matter.
func briefly(d time.Duration) string {
	if d < time.Millisecond {
		return "less than 1 ms"
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func writeFinding(b *strings.Builder, n int, f finding.Finding) {
	fmt.Fprintf(b, "\n%d. %s%s\n", n, f.Kind, place(f))
	fmt.Fprintf(b, "   %s\n", f.Text)
	if f.Expected != "" {
		fmt.Fprintf(b, "   %-10s %s\n", before(f), oneLine(f.Expected))
	}
	if f.Got != "" {
		fmt.Fprintf(b, "   %-10s %s\n", after(f), oneLine(f.Got))
	}
	for _, q := range f.Requests {
		fmt.Fprintf(b, "   request    %s (%s), from %d to %d ms\n", q.Event, q.ID, q.Begin.Milliseconds(), q.End.Milliseconds())
	}
	if f.Evidence != "" {
		fmt.Fprintf(b, "   evidence   %s\n", f.Evidence)
	}
	if f.Times > 1 {
		fmt.Fprintf(b, "   seen       %d times\n", f.Times)
	}
	fmt.Fprintf(b, "   to mend    %s\n", f.Remedy)
}

// before and after name the two values of a finding: of an answer or of a variable.
func before(f finding.Finding) string {
	switch {
	case isAnswer(f):
		return "alone"
	case f.Kind == finding.DataRace:
		return "one"
	}
	return "before"
}

func after(f finding.Finding) string {
	switch {
	case isAnswer(f):
		return "here"
	case f.Kind == finding.LogLine:
		return "line"
	case f.Kind == finding.DataRace:
		return "the other"
	}
	return "after"
}

func isAnswer(f finding.Finding) bool {
	return f.Kind == finding.AnswerChanged || f.Kind == finding.AnswerCrossed || f.Kind == finding.EnvironmentsDiffer || f.Kind == finding.CrashOverlapped
}

// place is where a finding is, as far as known: " in NAME, FILE:LINE".
func place(f finding.Finding) (s string) {
	if f.Name != "" {
		s = ": " + oneLine(f.Name)
	}
	if f.File != "" {
		s += " (" + f.File
		if f.Line > 0 {
			s += fmt.Sprintf(":%d", f.Line)
		}
		s += ")"
	}
	return s
}

func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", " ").Replace(s)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
