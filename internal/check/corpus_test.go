package check

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/report"
	"github.com/lamina-dev/lamina/internal/runtimes"
)

// corpus is where the functions are whose faults are known.
const corpus = "../../examples/check"

// specimen is one of them: check.json.
type specimen struct {
	name        string // python/broken/current-user
	dir         string
	Handler     string
	Runtime     string
	Slots       int
	Timeout     float64 // seconds
	Environment map[string]string
	Expect      []struct {
		Kind finding.Kind
		Name string
		Line int
	}
	Allow []finding.Kind
}

func specimens(t *testing.T) (list []specimen) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus, "*", "*", "*", "check.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus in %s: %v", corpus, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := specimen{dir: filepath.Dir(f)}
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		s.name, _ = filepath.Rel(corpus, s.dir)
		list = append(list, s)
	}
	return list
}

// inCI are those that every run of the tests checks, some of each kind of look;
// the others are in the slow suite.
var inCI = []string{
	"python/broken/current-user", "python/broken/shared-tmp-name", "python/broken/descriptors", "python/correct/cache-by-key", "python/correct/temporary-file",
	"nodejs/broken/current-user", "nodejs/broken/not-awaited", "nodejs/correct/context-kept", "go/broken/current-user", "go/correct/locked-map",
}

// seedsInFull is over how many seeds the slow suite checks each.
const seedsInFull = 20

// Every broken function of the corpus is found with the right kind of finding,
// and no correct one is blamed.
func TestCorpus(t *testing.T) {
	full := os.Getenv("LAMINA_TEST_SLOW") != ""
	seeds := 1
	if full {
		seeds = seedsInFull
		if n, err := strconv.Atoi(os.Getenv("LAMINA_CHECK_SEEDS")); err == nil {
			seeds = n
		}
	}
	all := specimens(t)
	for _, name := range inCI {
		if !slices.ContainsFunc(all, func(s specimen) bool { return s.name == name }) {
			t.Errorf("%s is not in the corpus", name)
		}
	}
	var tb table
	// After the parallel ones.
	t.Cleanup(func() { t.Log("\n" + tb.String()) })
	for _, s := range all {
		if !full && !slices.Contains(inCI, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			cfg := s.config(t)
			if !full {
				cfg.Time /= 2
			}
			for seed := range seeds {
				cfg.Seed = uint64(seed + 1)
				r, err := checked(t, cfg)
				if err != nil {
					t.Fatal(err)
				}
				wrong := s.judge(r)
				tb.add(s, r, wrong)
				if len(wrong) > 0 {
					var text strings.Builder
					_ = r.Text(&text) // a builder takes all
					t.Errorf("seed %d: %s\n%s", cfg.Seed, strings.Join(wrong, "; "), text.String())
				}
			}
		})
	}
}

// built gives the folder of the function's package; what has to be compiled is, at each run.
func (s specimen) built(t *testing.T) string {
	t.Helper()
	var cmd *exec.Cmd
	dir := t.TempDir()
	switch language, _, _ := strings.Cut(s.name, "/"); language {
	case "java":
		if _, err := exec.LookPath("javac"); err != nil {
			t.Skip("no JDK to compile functions with")
		}
		if _, err := runtimes.Find(t.Context(), s.Runtime, nil); err != nil {
			t.Skip(err)
		}
		core, err := filepath.Abs("../runtimes/java/core.jar")
		if err != nil {
			t.Fatal(err)
		}
		cmd = exec.Command("javac", "--release", "17", "-d", dir, "-cp", core, "Handler.java")
	default:
		return s.dir
	}
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, out)
	}
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // the function's user enters
			t.Fatal(err)
		}
	}
	return dir
}

func (s specimen) config(t *testing.T) Config {
	t.Helper()
	box, err := driver()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Function: bed.Function{
			Name: filepath.Base(s.dir), Runtime: s.Runtime, Handler: s.Handler, Architecture: map[string]string{"amd64": "x86_64", "arm64": "arm64"}[goruntime.GOARCH],
			TaskDir: s.built(t), MemoryMB: 1024, VCPUs: 1, Timeout: 10 * time.Second, Region: "us-east-1", Variables: s.Environment,
		},
		MaxSlots: 4, Time: 4 * time.Second, Whole: true, Sandbox: box,
	}
	if s.Slots > 0 {
		cfg.MaxSlots = s.Slots
	}
	if s.Timeout > 0 {
		cfg.Function.Timeout = time.Duration(s.Timeout * float64(time.Second))
	}
	if cfg.Go, err = BuildGo(t.Context(), cfg.Function, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if cfg.Go != nil {
		if cfg.Function.TaskDir = cfg.Go.Dir; cfg.Go.Raced == "" {
			t.Error(cfg.Go.Why)
		}
	}
	if cfg.Events, err = ReadEvents(filepath.Join(s.dir, "events")); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// judge says what the report has too little or too much.
func (s specimen) judge(r report.Report) (wrong []string) {
	kinds := slices.Clone(s.Allow)
	for _, e := range s.Expect {
		kinds = append(kinds, e.Kind)
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool {
			return f.Kind == e.Kind && strings.Contains(f.Name, e.Name) && (e.Line == 0 || f.Line == e.Line)
		}) {
			wrong = append(wrong, fmt.Sprintf("not found: %s %s", e.Kind, e.Name))
		}
	}
	for _, f := range r.Findings {
		if !slices.Contains(kinds, f.Kind) {
			wrong = append(wrong, fmt.Sprintf("blamed: %s %s", f.Kind, f.Name))
		}
	}
	return wrong
}

// table counts for each function in how many runs all was right.
type table struct {
	mu   sync.Mutex
	rows map[string]*row
}

type row struct {
	want, got   string
	runs, right int
	longest     time.Duration
}

func (tb *table) add(s specimen, r report.Report, wrong []string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.rows == nil {
		tb.rows = map[string]*row{}
	}
	at := tb.rows[s.name]
	if at == nil {
		at = &row{}
		tb.rows[s.name] = at
	}
	var want, got []string
	for _, e := range s.Expect {
		want = append(want, string(e.Kind))
	}
	for _, f := range r.Findings {
		got = append(got, string(f.Kind))
	}
	at.want, at.got = strings.Join(want, " "), strings.Join(slices.Compact(got), " ")
	at.longest = max(at.longest, r.Took)
	if at.runs++; len(wrong) == 0 {
		at.right++
	}
}

func (tb *table) String() string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	var names []string
	for name := range tb.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	fmt.Fprintf(&b, "| %-40s | %-8s | %-7s | %-22s | %s |\n", "function", "right", "longest", "expected", "found last")
	for _, name := range names {
		r := tb.rows[name]
		fmt.Fprintf(&b, "| %-40s | %2d of %2d | %-7s | %-22s | %s |\n", name, r.right, r.runs, r.longest.Round(100*time.Millisecond), r.want, r.got)
	}
	return b.String()
}
