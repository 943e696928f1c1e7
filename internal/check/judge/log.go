package judge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/trace"
)

// Log finds lines that nobody can tell which request they belong to.
func (c Case) Log(t *trace.Trace) (list []finding.Finding) {
	crashed := slices.ContainsFunc(t.Requests, func(r trace.Request) bool { return r.Outcome == trace.Crashed })
	if len(t.Requests) == 0 || crashed { // what a process says at its end has its own form
		return nil
	}
	for _, line := range t.Log {
		if line.At.Before(t.Requests[0].Begin) || strings.TrimSpace(line.Text) == "" {
			continue
		}
		problem := lineProblem(t, line.Text)
		if problem == "" || slices.ContainsFunc(runtimesOwn[c.Language], func(own string) bool { return strings.Contains(line.Text, own) }) {
			continue
		}
		var involved []trace.Request
		for _, r := range t.Requests {
			if !line.At.Before(r.Begin) && !line.At.After(r.End) && len(involved) < 2 {
				involved = append(involved, r)
			}
		}
		list = append(list, c.make(finding.Finding{
			Kind: finding.LogLine, Name: problem, Got: clip(line.Text), Requests: c.requests(t, involved...),
			Text: fmt.Sprintf("A log line has %s, so it can't be told from those of requests that run at the same time.", problem),
		}))
	}
	return list
}

// runtimesOwn are in what the runtimes' clients log by themselves without a request
// id: aws-lambda-go of a handler's error and before it ends, Java's when its threads start.
var runtimesOwn = map[finding.Language][]string{
	finding.Native: {
		` {"errorMessage":`, "calling the handler function resulted in a panic, the process should exit",
		"unexpected error occurred when sending the function ", "failed to get the next invoke: ",
	},
	finding.Java: {` concurrent function handler threads."`},
}

// lineProblem says what a line lacks; "" for nothing.
func lineProblem(t *trace.Trace, text string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) != nil {
		return "no JSON"
	}
	for _, r := range t.Requests {
		if strings.Contains(text, r.ID) {
			return ""
		}
	}
	if id, ok := fields["requestId"].(string); ok && (id == "" || id == "-") {
		return "" // the runtime's own, outside of all requests
	}
	return "no request id"
}
