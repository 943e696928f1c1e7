// Package race reads the reports of Go's race detector out of a function's log.
package race

import (
	"debug/buildinfo"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina/internal/check/trace"
)

// Settings are what GORACE gets: a race ends nothing, and its report goes to the log.
const Settings = "halt_on_error=0 exitcode=0 atexit_sleep_ms=0 log_path=stderr"

// How reports are written (runtime/race, ThreadSanitizer's for Go).
const (
	fence   = "=================="
	title   = "WARNING: DATA RACE"
	ending  = "Found " // "… N data race(s)", at the process's end
	maxTold = 400      // lines of one report (chosen)
)

var (
	access = regexp.MustCompile(`^(Previous )?([Aa]tomic )?([Rr]ead|[Ww]rite|\[failed to restore the stack\]).* at 0x[0-9a-f]+ by (goroutine \d+|main goroutine)`)
	place  = regexp.MustCompile(`^ {6}(.+):(\d+) \+0x[0-9a-f]+$`)
)

// Program is a function built with the race detector.
type Program struct {
	Module string // its main module: with package main that is the function's own code
	Dir    string // of its code
}

// Of looks whether a program is built with the race detector; nil for others,
// and for what is no Go program.
func Of(file, dir string) *Program {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			return &Program{Module: info.Main.Path, Dir: dir}
		}
	}
	return nil
}

// Split parts a log's lines from the reports between them.
func (p *Program) Split(lines []trace.Line) (rest []trace.Line, races []trace.Race) {
	for i := 0; i < len(lines); i++ {
		switch text := lines[i].Text; {
		case text == fence && i+1 < len(lines) && lines[i+1].Text == title:
			end := i + 2
			for end < len(lines) && end-i < maxTold && lines[end].Text != fence {
				end++
			}
			r := read(lines[i+2 : end])
			r.At = lines[i].At
			p.locate(&r.This)
			p.locate(&r.Before)
			races = append(races, r)
			i = end
		case strings.HasPrefix(text, ending) && strings.HasSuffix(text, " data race(s)"):
		default:
			rest = append(rest, lines[i])
		}
	}
	return rest, races
}

// read takes a report's lines: two accesses with their stacks, then where the
// goroutines came from.
func read(lines []trace.Line) (r trace.Race) {
	var at *trace.Access
	function := ""
	for _, line := range lines {
		text := line.Text
		switch m := access.FindStringSubmatch(text); {
		case m != nil && m[1] == "" && len(r.This.Stack) == 0:
			at = &r.This
			at.Write = strings.EqualFold(m[3], "write")
		case m != nil:
			at = &r.Before
			at.Write = strings.EqualFold(m[3], "write")
		case text == "":
		case !strings.HasPrefix(text, " "):
			at = nil // where a goroutine was started
		case at == nil:
		case place.MatchString(text):
			p := place.FindStringSubmatch(text)
			n, _ := strconv.Atoi(p[2]) // digits
			at.Stack = append(at.Stack, trace.Frame{Function: function, File: p[1], Line: n})
		default:
			function = strings.TrimSuffix(strings.TrimSpace(text), "()")
		}
	}
	return r
}

// locate finds out which frames are the function's own.
func (p *Program) locate(a *trace.Access) {
	for i := range a.Stack {
		f := &a.Stack[i]
		f.Own = strings.HasPrefix(f.Function, "main.") || strings.HasPrefix(f.Function, p.Module+"/") || strings.HasPrefix(f.Function, p.Module+".")
		if !f.Own {
			continue
		}
		rel, err := filepath.Rel(p.Dir, f.File)
		if err != nil || strings.HasPrefix(rel, "..") {
			rel = filepath.Base(f.File) // built elsewhere
		}
		f.File = rel
	}
}
