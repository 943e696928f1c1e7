package race

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/check/trace"
)

const told = `{"level":"INFO","requestId":"r1"}
==================
WARNING: DATA RACE
Read at 0x00c000012345 by goroutine 9:
  bytes.(*Buffer).String()
      /opt/go/src/bytes/buffer.go:71 +0x44
  example.com/greet/letters.(*Letter).Text()
      /src/greet/letters/letter.go:20 +0x44
  main.handler()
      /src/greet/main.go:31 +0xa4

Previous write at 0x00c000012345 by goroutine 8:
  main.handler()
      /src/greet/main.go:28 +0xa4
  main.main.func1()
      /src/greet/main.go:40 +0x2c

Goroutine 9 (running) created at:
  example.com/client.Start()
      /opt/mod/example.com/client/start.go:50 +0x1c4
==================
{"level":"INFO","requestId":"r2"}
Found 1 data race(s)
`

func lines(text string) (list []trace.Line) {
	for line := range strings.Lines(text) {
		list = append(list, trace.Line{Text: strings.TrimSuffix(line, "\n")})
	}
	return list
}

func TestSplit(t *testing.T) {
	p := &Program{Module: "example.com/greet", Dir: "/src/greet"}
	rest, races := p.Split(lines(told))
	if len(rest) != 2 || len(races) != 1 {
		t.Fatalf("%d lines and %d races left of\n%s", len(rest), len(races), told)
	}
	got := fmt.Sprint(races[0].This.Write, races[0].This.Frames(), races[0].Before.Write, races[0].Before.Frames())
	const want = "false [example.com/greet/letters.(*Letter).Text letters/letter.go:20 main.handler main.go:31] true [main.handler main.go:28 main.main.func1 main.go:40]"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSplitOfWhatIsCutOff(t *testing.T) {
	p := &Program{Module: "m", Dir: "/src"}
	all := lines(told)
	for n := range all {
		p.Split(all[:n]) // must not panic
	}
	if rest, races := p.Split(lines("==================\nWARNING: another\n")); len(rest) != 2 || len(races) != 0 {
		t.Errorf("%d lines and %d races of a log without any", len(rest), len(races))
	}
}

// What today's Go really writes.
func TestSplitOfARealReport(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/r\ngo 1.26\n", "main.go": `package main

var shared int

func write() { shared++ }

func main() {
	done := make(chan bool)
	go func() { write(); done <- true }()
	write()
	<-done
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "r")
	build := exec.Command("go", "build", "-race", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := Of(program, dir)
	if p == nil || p.Module != "example.com/r" {
		t.Fatalf("built with -race, and read as %+v", p)
	}
	run := exec.Command(program)
	run.Env = append(os.Environ(), "GORACE="+Settings)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest, races := p.Split(lines(string(out)))
	if len(races) == 0 || len(rest) > 0 || races[0].This.Frames()[0].String() != "main.write main.go:5" {
		t.Errorf("%v and %v of\n%s", races, rest, out)
	}
}
