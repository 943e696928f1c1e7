// Command report runs every check and test of the repository and ends with
// one line saying how many passed, failed and were skipped.
//
// A skip that test/skips.txt does not list counts as a failure: a test that
// silently stopped running protects nothing. Up to three tests that fail are run
// once more by themselves (docs/decisions/0029); the report names them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	only := flag.String("only", "", `run only the "checks", the "unit" tests or the "e2e" tests`)
	race := flag.Bool("race", true, "unit tests under the race detector")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, *only, *race))
}

// run does the wanted stages and returns the exit code.
func run(ctx context.Context, only string, race bool) int {
	allowed, err := readSkips(filepath.Join("test", "skips.txt"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	start := time.Now()
	t := &tally{allowed: allowed, out: os.Stdout}
	for _, s := range stages(race) {
		if only == "" || only == s.name {
			fmt.Printf("== %s\n", s.name)
			s.run(ctx, t)
		}
	}
	runAgain(ctx, t, race)
	t.close(time.Since(start))
	if t.failed > 0 || t.passed == 0 {
		return 1
	}
	return 0
}

// stage is one part of the whole run.
type stage struct {
	name string
	run  func(context.Context, *tally)
}

func stages(race bool) []stage {
	return []stage{
		{"checks", runChecks},
		{"unit", func(ctx context.Context, t *tally) { runUnit(ctx, t, race) }},
		{"e2e", runEndToEnd},
	}
}
