package judge

import (
	"fmt"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// use is what one request did with one path.
type use struct {
	write bool
	lock  string       // held around it all; "" for none
	first watch.Record // the first write, or else the first read
}

// Files finds paths that two requests use at the same time, one of them writing.
func (c Case) Files(t *trace.Trace) (list []finding.Finding) {
	uses := map[string]map[string]*use{} // by path, by request
	locks := map[string]string{}         // by request: the lock that it holds now
	var order []string
	for _, r := range t.Facts {
		if r.Kind != watch.File || r.RequestID == "" {
			continue
		}
		switch r.Detail.Op {
		case "lock":
			locks[r.RequestID] = r.Name
		case "unlock":
			delete(locks, r.RequestID)
		case "read", "write":
			if uses[r.Name] == nil {
				uses[r.Name] = map[string]*use{}
				order = append(order, r.Name)
			}
			uses[r.Name][r.RequestID] = noted(uses[r.Name][r.RequestID], r, locks[r.RequestID])
		}
	}
	for _, path := range order {
		if f, ok := c.shared(t, path, uses[path]); ok {
			list = append(list, f)
		}
	}
	return list
}

// noted adds one opening to what a request did with a path.
func noted(u *use, r watch.Record, lock string) *use {
	if u == nil {
		u = &use{first: r, lock: lock}
	}
	if u.lock != lock {
		u.lock = ""
	}
	if r.Detail.Op == "write" {
		if !u.write {
			u.first = r
		}
		u.write = true
	}
	return u
}

func (c Case) shared(t *trace.Trace, path string, uses map[string]*use) (finding.Finding, bool) {
	for i, a := range t.Requests {
		ua := uses[a.ID]
		if ua == nil || !ua.write {
			continue
		}
		for j, b := range t.Requests {
			ub := uses[b.ID]
			if i == j || ub == nil || !a.Overlaps(b) || ua.lock != "" && ua.lock == ub.lock || lockedItself(path, t, a, b) {
				continue
			}
			does := "reads"
			if ub.write {
				does = "writes"
			}
			return c.make(finding.Finding{
				Kind: finding.TmpShared, Name: path, File: ua.first.File, Line: ua.first.Line, Requests: c.requests(t, a, b),
				Text: fmt.Sprintf("%s writes %s while %s %s it: all requests of an environment have one /tmp, and nothing keeps these two apart.", c.Events[a.Event].Name, path, c.Events[b.Event].Name, does),
			}), true
		}
	}
	return finding.Finding{}, false
}

// lockedItself tells that both requests lock the very file they open: it must be
// opened before it can be locked.
func lockedItself(path string, t *trace.Trace, a, b trace.Request) bool {
	var byA, byB bool
	for _, r := range t.Facts {
		if r.Kind == watch.File && r.Detail.Op == "lock" && r.Name == path {
			byA, byB = byA || r.RequestID == a.ID, byB || r.RequestID == b.ID
		}
	}
	return byA && byB
}
