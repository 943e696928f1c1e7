package judge

import (
	"fmt"
	"strings"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/trace"
)

// Races makes findings of what Go's race detector told.
func (c Case) Races(t *trace.Trace) (list []finding.Finding) {
	for _, r := range t.Races {
		this, before := r.This.Frames(), r.Before.Frames()
		if len(this) == 0 {
			continue // the detector has no stack of it
		}
		f := finding.Finding{
			Kind: finding.DataRace, File: this[0].File, Line: this[0].Line, Got: stack(r.This), Expected: stack(r.Before),
			Text: fmt.Sprintf("%s %s memory that another goroutine %s, and nothing says which comes first", this[0].Function, now(r.This), then(r.Before)),
		}
		if len(before) > 0 {
			f.Text += fmt.Sprintf(" (%s:%d)", before[0].File, before[0].Line)
		}
		involved := running(t, r)
		switch len(involved) {
		case 0:
			f.Text += "; no request ran."
		case 1:
			f.Text += fmt.Sprintf("; only %s ran, so the goroutines are its own, or left by a request before it.", c.Events[involved[0].Event].Name)
		default:
			f.Text += fmt.Sprintf("; %s and %s ran.", c.Events[involved[0].Event].Name, c.Events[involved[1].Event].Name)
		}
		f.Requests = c.requests(t, involved[:min(len(involved), 2)]...)
		list = append(list, c.make(f))
	}
	return list
}

// running are the requests during which a race was told.
func running(t *trace.Trace, r trace.Race) (list []trace.Request) {
	for _, q := range t.Requests {
		if !r.At.Before(q.Begin) && !r.At.After(q.End) {
			list = append(list, q)
		}
	}
	return list
}

func now(a trace.Access) string {
	if a.Write {
		return "writes"
	}
	return "reads"
}

func then(a trace.Access) string {
	if a.Write {
		return "wrote"
	}
	return "read"
}

// stack says how an access came about, from its own line outwards.
func stack(a trace.Access) string {
	frames := a.Frames()
	texts := make([]string, 0, len(frames))
	for _, f := range frames {
		texts = append(texts, f.String())
	}
	how := "read in "
	if a.Write {
		how = "write in "
	}
	return clip(how + strings.Join(texts, ", called by "))
}
