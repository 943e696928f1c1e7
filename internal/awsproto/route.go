package awsproto

import (
	"net/url"
	"strings"
)

// maxSegments bounds the search for a route; no operation has nearly as many.
const maxSegments = 32

// route is a node of a service's paths, one level per segment.
type route struct {
	fixed  map[string]*route
	param  *route
	greedy *route              // takes the rest of the path
	names  map[string][]string // parameters on the way here, by method
	ops    map[string]*entry   // by method
}

// add puts an operation's path, such as "/functions/{Name}/{Rest+}", in place.
func (r *route) add(method, uri string, e *entry) {
	path, _, _ := strings.Cut(uri, "?")
	var names []string
	for seg := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		name, isParam := strings.CutPrefix(seg, "{")
		switch {
		case !isParam:
			r = child(r, seg)
		case strings.HasSuffix(name, "+}"):
			names = append(names, strings.TrimSuffix(name, "+}"))
			r.greedy = orNew(r.greedy)
			r = r.greedy
		default:
			names = append(names, strings.TrimSuffix(name, "}"))
			r.param = orNew(r.param)
			r = r.param
		}
	}
	if r.ops == nil {
		r.ops, r.names = map[string]*entry{}, map[string][]string{}
	}
	r.ops[method], r.names[method] = e, names
}

func child(r *route, seg string) *route {
	if r.fixed == nil {
		r.fixed = map[string]*route{}
	}
	r.fixed[seg] = orNew(r.fixed[seg])
	return r.fixed[seg]
}

func orNew(r *route) *route {
	if r == nil {
		return &route{}
	}
	return r
}

// param is one value out of a path.
type param struct{ name, value string }

// find matches an escaped path. Segments are taken apart before they are
// decoded, so that an escaped slash stays inside its segment.
func (r *route) find(method, escaped string) (*entry, []param) {
	path := strings.TrimPrefix(escaped, "/")
	path = strings.TrimSuffix(path, "/")
	if strings.Count(path, "/") >= maxSegments {
		return nil, nil
	}
	var buf [8]string
	e, names, values := r.walk(method, path, buf[:0])
	if e == nil {
		return nil, nil
	}
	params := make([]param, len(values))
	for i, v := range values {
		value, err := url.PathUnescape(v)
		if err != nil {
			return nil, nil
		}
		params[i] = param{names[i], value}
	}
	return e, params
}

// walk tries the fixed segment first, then the parameter, then the greedy one.
func (r *route) walk(method, rest string, values []string) (*entry, []string, []string) {
	seg, tail, more := strings.Cut(rest, "/")
	step := func(next *route, values []string) (*entry, []string, []string) {
		if more {
			return next.walk(method, tail, values)
		}
		return next.ops[method], next.names[method], values
	}
	if next := r.fixed[seg]; next != nil {
		if e, n, v := step(next, values); e != nil {
			return e, n, v
		}
	}
	if r.param != nil && seg != "" {
		if e, n, v := step(r.param, append(values, seg)); e != nil {
			return e, n, v
		}
	}
	if r.greedy != nil && rest != "" && r.greedy.ops[method] != nil {
		return r.greedy.ops[method], r.greedy.names[method], append(values, rest)
	}
	return nil, nil, nil
}
