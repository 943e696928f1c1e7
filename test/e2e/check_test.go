package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/examples/setup"
)

// racy greets whoever was greeted last, where the event names nobody, with a word from its layers.
const racy = `
import greeting
user = None

def handler(event, context):
    global user
    user = event.get("user", user)
    return {greeting.word: user}
`

func writeEvents(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"alice.json": `{"user":"alice-1001"}`, "bruno.json": `{"user":"bruno-1002"}`, "nobody.json": `{}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lamina check FUNCTION takes code, layers and configuration from the server; what it
// finds is the exit status, and in every form of report.
func TestCheckOfAServersFunction(t *testing.T) {
	needPython(t)
	s := up(t)
	p := makePlace(t, s)
	f := p.pythonFunction(t, "greeter", racy)
	in := f.Input()
	for _, word := range []string{"bye", "hello"} { // the later layer wins
		in.Layers = append(in.Layers, p.layer(t, word, map[string][]byte{"python/greeting.py": []byte("word = '" + word + "'")}))
	}
	if _, err := p.Lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitActive(t.Context(), f.Name, activeLimit); err != nil {
		t.Fatal(err)
	}
	events, out := writeEvents(t), t.TempDir()
	file := func(name string) string { return filepath.Join(out, name) }
	text, err := s.command([]string{"AWS_ENDPOINT_URL=" + s.endpoint}, "check", "greeter:"+setup.Latest, "--events", events, "--time", "5s", "--slots", "3", "--seed", "4",
		"--json", file("r.json"), "--junit", file("r.xml"), "--sarif", file("r.sarif"), "--svg", file("r.svg"))
	if code := exitCode(err); code != 1 {
		t.Fatalf("exit status %d (%v), want 1\n%s", code, err, text)
	}
	for _, want := range []string{"answer-crossed: $.hello", "nobody.json", "python3.13", "up to 3 requests at once, seed 4", "to mend"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the report:\n%s", want, text)
		}
	}
	var report struct {
		Findings []struct{ Kind, Remedy string }
	}
	if data, err := os.ReadFile(file("r.json")); err != nil || json.Unmarshal(data, &report) != nil || len(report.Findings) == 0 {
		t.Errorf("no findings in the JSON report: %v %s", err, data)
	}
	for name, want := range map[string]string{"r.xml": `<failure message=`, "r.sarif": `"ruleId": "answer-crossed"`, "r.svg": `class="victim"`} {
		if data, err := os.ReadFile(file(name)); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s has no %s: %v", name, want, err)
		}
	}
	text, err = s.command(nil, "check", "nobody-has-it", "--events", events)
	if exitCode(err) != 2 || !strings.Contains(text, "Function not found") || !strings.Contains(text, "No verdict") {
		t.Errorf("of a function that is not there: %v\n%s", err, text)
	}
	text, err = s.command(nil, "check", "greeter")
	if exitCode(err) != 2 || !strings.Contains(text, "--events DIR") {
		t.Errorf("without events: %v\n%s", err, text)
	}
}

func exitCode(err error) int {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
