// Command bench measures Lamina side by side with the paths it has to compare
// with, in one run and in interleaved rounds, and prints ratios: they survive a
// change of machine, figures do not. README.md says how to read them.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings are the command's flags.
type settings struct {
	mode string
	many int      // environments of the idle mode's last look
	up   []string // further flags of lamina up
	// rest is how long nothing happens before the idle mode looks, so that what starting took has gone;
	// look is how long it takes CPU time: some heartbeats long (both chosen).
	rest, look   time.Duration
	rounds       int
	length       time.Duration
	connections  []int
	payload      int
	environments int
	only         *regexp.Regexp
	lamina       string
	json         string
}

func main() {
	runRole()
	s, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	quick := f.Bool("quick", false, "a short run: 3 rounds of 300 ms")
	seconds := f.Float64("seconds", 1.5, "seconds of each measurement")
	connections := f.String("connections", "1,16,64", "connections of the closed loop")
	only := f.String("only", "", "measure only what matches this expression (the direct handler always is)")
	f.IntVar(&s.rounds, "rounds", 5, "interleaved rounds")
	f.IntVar(&s.payload, "payload", 256, "bytes of the event, at least 11")
	f.IntVar(&s.environments, "environments", minimum, "execution environments of Lamina's function; 1 makes its path exactly four processes")
	f.StringVar(&s.lamina, "lamina", "", "the lamina binary (default: built from this checkout)")
	f.StringVar(&s.mode, "mode", "paths", "what is measured: paths (the lines side by side), idle (environments that nobody calls), density (5 ms of CPU and 50 ms of waiting on one vCPU)")
	f.IntVar(&s.many, "many", 1000, "idle: environments whose CPU time is taken")
	up := f.String("up", "", "further flags of lamina up, divided by blanks, e.g. '--sandbox plain'")
	f.StringVar(&s.json, "json", filepath.Join("bin", "bench.json"), "file for the raw results")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.up, s.rest, s.look = strings.Fields(*up), 5*time.Second, 20*time.Second
	if modes[s.mode] == nil {
		return s, fmt.Errorf("-mode: there is no %q", s.mode)
	}
	if *quick {
		s.rounds, *seconds = 3, 0.3
	}
	s.length = time.Duration(*seconds * float64(time.Second))
	for c := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(c))
		if err != nil || n < 1 || n > 3*slotsMax {
			return s, fmt.Errorf("-connections: %q is no number between 1 and %d", c, 3*slotsMax)
		}
		s.connections = append(s.connections, n)
	}
	if s.rounds < 1 || s.many < 1 || s.length <= 0 || s.environments < 1 || s.payload < len(emptyEvent) {
		return s, fmt.Errorf("at least one round, one environment, a length and %d bytes of payload are needed", len(emptyEvent))
	}
	s.only, err = regexp.Compile(*only)
	return s, err
}

const emptyEvent = `{"pad":""}`

// event is JSON of exactly so many bytes.
func event(size int) []byte {
	return []byte(`{"pad":"` + strings.Repeat("x", size-len(emptyEvent)) + `"}`)
}

// printer is what a mode found.
type printer interface{ print(io.Writer) }

// modes are what can be measured.
var modes = map[string]func(*bench) (printer, error){
	"paths":   func(b *bench) (printer, error) { return b.measurePaths() },
	"idle":    func(b *bench) (printer, error) { return b.measureIdle() },
	"density": func(b *bench) (printer, error) { return b.measureDensity() },
}

// bench is one run.
type bench struct {
	settings
	ctx       context.Context // of the run
	dir       string          // for everything it makes
	bootstrap string          // the function's binary
	payload   []byte
	subjects  []*subject
	server    *laminaServer
}

// slots is the concurrency of one environment.
func (b *bench) slots() int { return max(slotsMax, slices.Max(b.connections)) }

func run(ctx context.Context, s settings) (err error) {
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	defer func() {
		if e := b.stop(); err == nil {
			err = e
		}
	}()
	r, err := modes[s.mode](b)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	r.print(os.Stdout)
	if err := save(r, s.json); err != nil {
		return err
	}
	fmt.Printf("\nraw results: %s\n", s.json)
	return nil
}

// newBench builds what is measured, in a folder of its own.
func newBench(ctx context.Context, s settings) (_ *bench, err error) {
	dir, err := os.MkdirTemp("", "lamina-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	b := &bench{settings: s, ctx: ctx, dir: dir, bootstrap: filepath.Join(dir, "bootstrap"), payload: event(s.payload)}
	if err := os.Chmod(dir, 0o755); err != nil { // functions run as a user of their own
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "building …")
	if err := build(ctx, "bench/bootstrap", b.bootstrap); err != nil {
		return nil, err
	}
	if b.lamina == "" {
		b.lamina = filepath.Join(dir, "lamina")
		if err := build(ctx, "cmd/lamina", b.lamina); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func build(ctx context.Context, pkg, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, "github.com/lamina-dev/lamina/"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func (b *bench) startSubjects() error {
	for _, k := range kinds {
		if k.key != "direct" && !b.only.MatchString(k.key) {
			continue
		}
		s := &subject{key: k.key, name: k.name}
		b.subjects = append(b.subjects, s)
		if err := k.start(b, s); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(k.name), err)
		}
	}
	return nil
}

func (b *bench) stop() (err error) {
	for _, s := range slices.Backward(b.subjects) {
		if e := s.stop(); err == nil {
			err = e
		}
	}
	return err
}
