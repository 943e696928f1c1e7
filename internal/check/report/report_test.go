package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample() Report {
	return Report{
		Function: "orders", Runtime: "python3.13", Handler: "app.handler", Language: finding.Python, Interpreter: "python3.13 (3.13.0)", Seed: 7, MaxSlots: 16, Took: 9500 * time.Millisecond,
		Events: []Event{
			{Name: "alice.json", Alone: 11200 * time.Microsecond, Outcome: "answered", Masked: []Masked{{"$.at", "time"}}},
			{Name: "bruno.json", Alone: 9 * time.Millisecond, Outcome: "answered"},
		},
		Runs: []Run{{"alone, in order", 2, 6}, {"pass 1, round 1: 2 slots", 2, 31}},
		Findings: []finding.Finding{
			{
				Kind: finding.AnswerCrossed, Name: "$.message", Text: "The answer to bruno.json carries \"alice-1001\".", Expected: "Hello bruno-1002", Got: "Hello <alice-1001>\nand more",
				Requests: []finding.Request{{ID: "r2", Event: "bruno.json", Begin: 12 * time.Millisecond, End: 31 * time.Millisecond}, {ID: "r1", Event: "alice.json", Begin: 0, End: 22 * time.Millisecond}},
				Remedy:   "Keep it in local variables.", Evidence: "shows with 2 of 31 requests", Times: 4,
			},
			{Kind: finding.GlobalMutated, Name: "app.user", File: "app.py", Line: 12, Text: "It replaces data.", Expected: "'alice'", Got: "'bruno'", Remedy: "Make it local.", Times: 1},
			{Kind: finding.LogLine, Name: "no JSON", Text: "A log line has no JSON.", Got: "raw", Remedy: "Use logging.", Times: 31},
		},
		NotCovered: []string{"what the events do not reach"},
	}
}

func TestGolden(t *testing.T) {
	clean := sample()
	clean.Findings = nil
	for name, write := range map[string]func(io.Writer) error{
		"findings.txt": sample().Text, "clean.txt": clean.Text, "findings.json": sample().JSON, "clean.json": clean.JSON, "findings.junit.xml": sample().JUnit, "clean.junit.xml": clean.JUnit,
		"findings.sarif": func(w io.Writer) error { return sample().SARIF(w, "app.py") }, "clean.sarif": func(w io.Writer) error { return clean.SARIF(w, "app.py") },
		"timeline.svg": picture().SVG,
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

var began = time.Unix(1_800_000_000, 0)

func ms(n int) time.Time { return began.Add(time.Duration(n) * time.Millisecond) }

func picture() Timeline {
	f := sample().Findings[0]
	tr := &trace.Trace{
		Name: "pass 1, round 1: 2 slots", Slots: 2, Begin: began,
		Requests: []trace.Request{
			{ID: "r1", Event: 0, Begin: ms(0), End: ms(22)}, {ID: "r2", Event: 1, Begin: ms(12), End: ms(31)}, {ID: "r3", Event: 1, Begin: ms(22), End: ms(40)},
		},
		Facts: []watch.Record{
			{RequestID: "r1", Kind: watch.Start, PID: 3, T: ms(0).UnixNano()}, {RequestID: "r2", Kind: watch.Start, PID: 4, T: ms(12).UnixNano()}, {RequestID: "r3", Kind: watch.Start, PID: 3, T: ms(22).UnixNano()},
			{RequestID: "r1", Kind: watch.GlobalWrite, Name: "app.<user>", PID: 3, T: ms(10).UnixNano()},
			{RequestID: "r2", Kind: watch.Pause, PID: 4, T: ms(20).UnixNano(), Detail: watch.Detail{Ms: 4}},
		},
	}
	return NewTimeline(tr, f, []string{"alice.json", "bruno.json"})
}

func TestTimelineShowsWhoSuffersInItsWorker(t *testing.T) {
	tl := picture()
	if len(tl.Bars) != 3 || tl.Bars[0].Role != "other" || tl.Bars[1].Role != "victim" || tl.Bars[2].Role != "" {
		t.Errorf("bars: %+v", tl.Bars)
	}
	if tl.Bars[0].Row != tl.Bars[2].Row || tl.Bars[0].Row == tl.Bars[1].Row {
		t.Errorf("requests of a worker share its row: %+v", tl.Bars)
	}
	if len(tl.Marks) != 2 {
		t.Errorf("marks: %+v", tl.Marks)
	}
	var b bytes.Buffer
	if err := tl.SVG(&b); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if s := b.String(); strings.Contains(s, "NaN") || !strings.Contains(s, "prefers-color-scheme:dark") {
		t.Error("a picture with numbers that are none, or for light ground only")
	}
}

func TestAnEmptyTimelineIsStillAPicture(t *testing.T) {
	var b bytes.Buffer
	if err := NewTimeline(&trace.Trace{}, finding.Finding{}, nil).SVG(&b); err != nil || strings.Contains(b.String(), "NaN") {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestEveryKindHasARemedyInEveryLanguage(t *testing.T) {
	for _, k := range finding.Kinds {
		for _, l := range []finding.Language{finding.Python, finding.Node, finding.Java, finding.Native} {
			if finding.RemedyFor(k, l) == "" {
				t.Errorf("%s in %s: no remedy", k, l)
			}
		}
	}
}
