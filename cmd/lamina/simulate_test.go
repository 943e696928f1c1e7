package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// simulate runs the command as the shell does and gives what it prints.
func simulate(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var c simulateCmd
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		return "", err
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	before := os.Stdout
	os.Stdout = out
	err = c.Run()
	os.Stdout = before
	text, rerr := os.ReadFile(out.Name())
	if rerr != nil {
		t.Fatal(rerr)
	}
	return string(text), err
}

func TestSimulateWritesAllItsOutputs(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	text, err := simulate(t, "--load", "sine:50:600@60s", "--length", "60s", "--csv", file("a.csv"), "--json", file("a.json"), "--svg", file("a.svg"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "cheaper than ordinary Lambda from a steady") {
		t.Errorf("closing line: %s", last)
	}
	f, err := os.Open(file("a.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if rows, err := csv.NewReader(f).ReadAll(); err != nil || len(rows) != 61 {
		t.Errorf("CSV: %d rows, %v", len(rows), err)
	}
	var summary struct {
		Calls      int64
		Series     []struct{ Calls int64 }
		ManagedUSD float64 `json:"managedUsd"`
	}
	b, err := os.ReadFile(file("a.json"))
	if err == nil {
		err = json.Unmarshal(b, &summary)
	}
	sum := int64(0)
	for _, p := range summary.Series {
		sum += p.Calls
	}
	if err != nil || sum != summary.Calls || sum < 15_000 || summary.ManagedUSD <= 0 {
		t.Errorf("JSON: %d calls, %d in the series, $%f, %v", summary.Calls, sum, summary.ManagedUSD, err)
	}
	if b, err := os.ReadFile(file("a.svg")); err != nil || !strings.HasPrefix(string(b), "<svg") {
		t.Errorf("SVG: %v", err)
	}
}

func TestSimulateReadsFilesAndLogs(t *testing.T) {
	dir := t.TempDir()
	rates, log := filepath.Join(dir, "rates.csv"), filepath.Join(dir, "access.log")
	var lines strings.Builder
	for s := range 20 {
		lines.WriteString(strings.Repeat("1.2.3.4 - - ["+time.Unix(1_700_000_000+int64(s), 0).UTC().Format("02/Jan/2006:15:04:05 -0700")+"] \"GET / HTTP/1.0\" 200 1\n", 50))
	}
	for path, text := range map[string]string{rates: "0,50\n20,50\n", log: lines.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, load := range []string{"file:" + rates, "log:" + log, "steady:50"} {
		text, err := simulate(t, "--load", load, "--length", "20s", "--scale", "2")
		if err != nil || !strings.Contains(text, "throttled       0 (") || !strings.Contains(text, "for 20s") {
			t.Errorf("%s: %v\n%s", load, err, text)
		}
	}
}

func TestSimulateRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{
		{"--load", "steady:x"}, {"--load", "file:/nonexistent"}, {"--load", "steady:1", "--slots", "0"}, {"--load", "steady:1", "--ratio", "9"},
		{"--load", "steady:1", "--cpu", "0s", "--wait", "0s"}, {"--load", "steady:1", "--jitter", "2"}, {"--load", "steady:1", "--min", "4", "--max", "3"}, {"--load", "steady:1", "--types", "x9.large"}, {},
	} {
		if _, err := simulate(t, args...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
