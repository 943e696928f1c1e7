package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/bench/load"
)

func TestMain(m *testing.M) {
	runRole()
	os.Exit(m.Run())
}

// TestEveryLineGetsANumber runs the whole benchmark for a moment. It asserts no speed.
func TestEveryLineGetsANumber(t *testing.T) {
	s, err := parse([]string{"-rounds", "1", "-seconds", "0.25", "-connections", "1,8"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(b.dir)
	defer func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	}()
	r, err := b.measurePaths()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Lines {
		for _, c := range l.Closed {
			checkRounds(t, l.Key, c.Rounds)
		}
		checkRounds(t, l.Key+", open loop", l.Open.Rounds)
	}
	if len(r.Lines) != len(kinds) || len(r.Ratios) != 33 {
		t.Errorf("%d lines of %d, %d ratios", len(r.Lines), len(kinds), len(r.Ratios))
	}
	var out bytes.Buffer
	r.print(&out)
	file := filepath.Join(t.TempDir(), "results", "r.json")
	if err := save(r, file); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("\n%s", out.String())
	}
}

// TestOtherModesGetNumbers runs them for a moment. It asserts no figure.
func TestOtherModesGetNumbers(t *testing.T) {
	for mode, more := range map[string][]string{"density": {"-rounds", "1", "-seconds", "0.3"}, "idle": {"-many", "50"}} {
		t.Run(mode, func(t *testing.T) {
			s, err := parse(append([]string{"-mode", mode}, more...))
			if err != nil {
				t.Fatal(err)
			}
			s.rest, s.look = 100*time.Millisecond, 100*time.Millisecond
			b, err := newBench(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(b.dir)
			got, err := modes[mode](b)
			if err != nil {
				t.Fatal(err)
			}
			got.print(t.Output())
			switch r := got.(type) {
			case *densityReport:
				for name, rounds := range map[string][]round{"limit": r.Limit, "many": r.Many, "one": r.One} {
					checkRounds(t, name, rounds)
				}
			case *idleReport:
				if len(r.Steps) != 2 || r.Slopes[roleAgent] <= 0 && runtime.GOOS == "linux" || r.CPU.Environments != 50 || r.CPU.Instances != 1 {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func checkRounds(t *testing.T, name string, rounds []round) {
	t.Helper()
	if len(rounds) == 0 {
		t.Errorf("%s was not measured", name)
	}
	for _, r := range rounds {
		if r.OK == 0 || r.PerSecond <= 0 || r.P50 <= 0 || r.Failed > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	rounds := func(perSecond, p50 []float64) []*closed {
		c := &closed{Connections: 1}
		for i := range perSecond {
			c.Rounds = append(c.Rounds, round{PerSecond: perSecond[i], P50: p50[i], OK: 1})
		}
		return []*closed{c}
	}
	r := &report{Connections: []int{1}, Lines: []*line{
		{Key: "direct", Closed: rounds([]float64{100, 100, 100}, []float64{10, 20, 30})},
		{Key: "bare4", Closed: rounds([]float64{10, 20, 30}, []float64{20, 30, 40})},
		{Key: "lamina", Closed: rounds([]float64{5, 20, 60}, []float64{30, 60, 40})},
	}}
	r.compare()
	want := []ratio{
		{"lamina", "bare4", ofThroughput, 1, load.Spread{Median: 1, Min: 0.5, Max: 2}},
		{"lamina", "bare4", ofAdded, 1, load.Spread{Median: 2, Min: 1, Max: 4}},
	}
	if !slices.Equal(r.Ratios, want) {
		t.Errorf("got %+v", r.Ratios)
	}
}

func TestNothingThatFailedIsLeftOut(t *testing.T) {
	l := &line{Name: "some line", Closed: []*closed{{Connections: 4, Rounds: []round{{OK: 3, Throttled: 2}, {OK: 1, Failed: 1, Error: "broken pipe"}}}}}
	var out strings.Builder
	(&report{Lines: []*line{l}}).printFailures(&out)
	if want := "some line, 4 connections: 2 of 7 throttled (429), 1 failed broken pipe"; !strings.Contains(out.String(), want) {
		t.Errorf("got %q", out.String())
	}
}

func TestEventHasItsSize(t *testing.T) {
	for _, size := range []int{len(emptyEvent), 256, 65536} {
		if got := len(event(size)); got != size {
			t.Errorf("%d bytes, want %d", got, size)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range [][]string{{"-connections", "0"}, {"-connections", "1,x"}, {"-rounds", "0"}, {"-payload", "3"}, {"-seconds", "0"}, {"-only", "("}, {"-mode", "x"}, {"-many", "0"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	s, err := parse([]string{"-quick", "-connections", " 2, 3"})
	if err != nil || s.rounds != 3 || !slices.Equal(s.connections, []int{2, 3}) {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestALineIsDrawnThroughTheSteps(t *testing.T) {
	r := &idleReport{Steps: []idleStep{{10, map[string]float64{roleAgent: 1200}}, {50, map[string]float64{roleAgent: 2000}}, {90, map[string]float64{roleAgent: 2800}}}}
	r.fit()
	if r.Slopes[roleAgent] != 20 || r.Fixed[roleAgent] != 1000 || r.platform() != 20 {
		t.Errorf("got %+v", r)
	}
	if got := idleSteps(100); !slices.Equal(got, []int{10, 50, 90}) {
		t.Errorf("got %v", got)
	}
}
