package awsproto

import (
	"net/url"
	"slices"
	"strings"
)

// maxSegments bounds the search for a route; no operation has nearly as many.
const maxSegments = 32

// route is a node of a service's paths, one level per segment.
type route struct {
	fixed  map[string]*route
	param  *route
	greedy *route           // takes the rest of the path
	ends   map[string][]end // by method; those that ask for most of the query first
}

// end is an operation whose path ends at a node.
type end struct {
	entry *entry
	names []string   // parameters on the way here
	query url.Values // words the query string has to have
}

// add puts an operation's path, such as "/functions/{Name}/{Rest+}?List=ALL", in place.
func (r *route) add(method, uri string, e *entry) {
	path, constants, _ := strings.Cut(uri, "?")
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
	if r.ends == nil {
		r.ends = map[string][]end{}
	}
	query, _ := url.ParseQuery(constants) // of the model, which has no odd ones
	ends := append(r.ends[method], end{e, names, query})
	slices.SortStableFunc(ends, func(a, b end) int { return len(b.query) - len(a.query) })
	r.ends[method] = ends
}

// pick gives the end that a request's query string means.
func (r *route) pick(method, query string) *end {
	ends := r.ends[method]
	for i := range ends {
		if ends[i].accepts(query) {
			return &ends[i]
		}
	}
	return nil
}

func (e *end) accepts(query string) bool {
	if len(e.query) == 0 {
		return true
	}
	got, _ := url.ParseQuery(query) // what can't be read is not there
	for name, want := range e.query {
		if !slices.Equal(got[name], want) {
			return false
		}
	}
	return true
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

// find matches an escaped path and a query string. Segments are taken apart
// before they are decoded, so that an escaped slash stays inside its segment.
func (r *route) find(method, escaped, query string) (*entry, []param) {
	path := strings.TrimPrefix(escaped, "/")
	path = strings.TrimSuffix(path, "/")
	if strings.Count(path, "/") >= maxSegments {
		return nil, nil
	}
	var buf [8]string
	w := walk{method, query}
	e, values := w.from(r, path, buf[:0])
	if e == nil {
		return nil, nil
	}
	params := make([]param, len(values))
	for i, v := range values {
		value, err := url.PathUnescape(v)
		if err != nil {
			return nil, nil
		}
		params[i] = param{e.names[i], value}
	}
	return e.entry, params
}

// walk is a search for one request's route.
type walk struct{ method, query string }

// from tries the fixed segment first, then the parameter, then the greedy one.
func (w walk) from(r *route, rest string, values []string) (*end, []string) {
	seg, tail, more := strings.Cut(rest, "/")
	step := func(next *route, values []string) (*end, []string) {
		if more {
			return w.from(next, tail, values)
		}
		return next.pick(w.method, w.query), values
	}
	if next := r.fixed[seg]; next != nil {
		if e, v := step(next, values); e != nil {
			return e, v
		}
	}
	if r.param != nil && seg != "" {
		if e, v := step(r.param, append(values, seg)); e != nil {
			return e, v
		}
	}
	if r.greedy != nil && rest != "" {
		if e := r.greedy.pick(w.method, w.query); e != nil {
			return e, append(values, rest)
		}
	}
	return nil, nil
}
