package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/report"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

func TestMain(m *testing.M) {
	plain.Main()
	os.Exit(m.Run())
}

var driver = sync.OnceValues(func() (*plain.Driver, error) { return plain.New(context.Background()) })

// config is that of a Python function whose code is one file.
func config(t *testing.T, code string, events ...string) Config {
	t.Helper()
	box, err := driver()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Function: bed.Function{Name: "f", Runtime: "python3.13", Handler: "app.handler", Architecture: "x86_64", TaskDir: dir, MemoryMB: 1024, Timeout: 5 * time.Second, Region: "us-east-1"},
		MaxSlots: 4, Time: 2 * time.Second, Whole: true, Seed: 1, Sandbox: box,
	}
	for i, e := range events {
		cfg.Events = append(cfg.Events, Event{string(rune('a'+i)) + ".json", []byte(e)})
	}
	return cfg
}

var users = []string{`{"user":"alice-1001"}`, `{"user":"bruno-1002"}`, `{"user":"carla-1003"}`, `{}`}

// checked runs a check; a machine without the interpreter skips the test.
func checked(t *testing.T, cfg Config) (report.Report, error) {
	t.Helper()
	r, err := Run(t.Context(), cfg)
	if err != nil && strings.Contains(err.Error(), "no interpreter") {
		t.Skip("runtime ", cfg.Function.Runtime, ": ", err)
	}
	return r, err
}

func TestACurrentUserInAGlobal(t *testing.T) {
	r, err := checked(t, config(t, `
user = None

def handler(event, context):
    global user
    user = event.get("user", user)
    return {"hello": user}
`, users...))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.Findings {
		if f.Kind != finding.AnswerCrossed {
			continue
		}
		if len(f.Requests) != 2 || f.Requests[0].Event != "d.json" || !strings.Contains(f.Evidence, "shows with 2 of") {
			t.Errorf("the two requests, the one that has no user first: %+v", f)
		}
		if len(r.Timelines[i].Bars) == 0 {
			t.Error("there is no picture of it")
		}
		return
	}
	t.Errorf("no answer-crossed: %+v", r.Findings)
}

func TestWhatChangesByItselfIsNotBlamed(t *testing.T) {
	r, err := checked(t, config(t, `
import os, random, time, uuid

BORN = uuid.uuid4().hex  # each worker's own
CACHE = {}
first = True

def handler(event, context):
    global first
    began, cold, first = time.perf_counter(), first, False
    user = event.get("user")
    CACHE.setdefault(user, "hello " + str(user))
    return {"hello": CACHE[user], "at": time.time(), "id": str(uuid.uuid4()), "request": context.aws_request_id, "lot": random.random(),
            "elapsed": time.perf_counter() - began, "worker": BORN, "pid": os.getpid(), "cold": cold}
`, users...))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) > 0 {
		t.Errorf("found %+v", r.Findings)
	}
	if len(r.Events[0].Masked) < 7 {
		t.Errorf("what is not compared is listed: %+v", r.Events[0].Masked)
	}
}

// A function is called right only when its requests have overlapped.
func TestNoVerdictBeforeAPassIsDone(t *testing.T) {
	for name, tt := range map[string]struct {
		sleep   string
		timeout time.Duration
		want    string
	}{
		"too little time":      {"0.7", 3 * time.Second, "--time"},
		"all time out by then": {"5", 300 * time.Millisecond, "--time"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, "import time\ndef handler(event, context):\n    time.sleep("+tt.sleep+")\n    return event\n", users...)
			cfg.Time, cfg.Whole, cfg.Function.Timeout = 2*time.Second, false, tt.timeout
			r, err := checked(t, cfg)
			if _, ok := errors.AsType[*NotCheckable](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v, want a word of %q", r, err, tt.want)
			}
		})
	}
}

func TestNoVerdictWithoutWhatIsNeeded(t *testing.T) {
	const fine = "def handler(event, context):\n    return 1\n"
	for name, tt := range map[string]struct {
		code   string
		events []string
		change func(*Config)
		want   string
	}{
		"no events":            {fine, nil, nil, "--events DIR"},
		"no such module":       {"import nowhere", users, nil, "No module named 'nowhere'"},
		"no such handler":      {"", users, nil, "Handler 'handler' missing"},
		"no such folder":       {fine, users, func(c *Config) { c.Function.TaskDir = "/nowhere" }, "--code"},
		"no such runtime":      {fine, users, func(c *Config) { c.Function.Runtime = "cobol1" }, "cobol1"},
		"nobody at the server": {"import urllib.request\ndef handler(event, context):\n    return urllib.request.urlopen('http://127.0.0.1:9/').read()\n", users, nil, "--env NAME=VALUE"},
		"a variable missing":   {"import os\ndef handler(event, context):\n    return os.environ['TABLE_NAME']\n", users, nil, "--env NAME=VALUE"},
		"bad events":           {"def handler(event, context):\n    return event['x']\n", users, nil, "Provide events"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, tt.code, tt.events...)
			if tt.change != nil {
				tt.change(&cfg)
			}
			_, err := checked(t, cfg)
			if _, ok := errors.AsType[*NotCheckable](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a word of %q", err, tt.want)
			}
		})
	}
}
