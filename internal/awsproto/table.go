package awsproto

import (
	"strconv"
	"strings"
)

// protocol is one of AWS's ways of putting an operation on the wire.
type protocol string

const (
	restJSON protocol = "rest-json"
	json11   protocol = "json"
	query    protocol = "query"
	ec2Query protocol = "ec2"
)

// xml tells the protocols that take forms and answer in XML.
func (p protocol) xml() bool { return p == query || p == ec2Query }

// table is a service's generated table, split into lines. Shapes are understood
// only when an operation needs them.
type table struct {
	protocol  protocol
	version   string
	target    string
	namespace string
	ops       map[string]*opLine
	errors    map[string]errorLine // by code and by shape name
	shapes    map[string][]string  // lines by shape name
}

// opLine is an operation of the table.
type opLine struct {
	name, method, uri, in, out, wrapper, events string
	status                                      int
}

// errorLine is an error of the table.
type errorLine struct {
	code, message        string
	status               int
	fault, typed, reason bool
}

// readTable splits a generated table.
func readTable(src string) *table {
	t := &table{ops: map[string]*opLine{}, errors: map[string]errorLine{}, shapes: map[string][]string{}}
	var open string
	for line := range strings.Lines(src) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, "\t")
		switch {
		case word == "service":
			t.readService(rest)
		case word == "op":
			op := readOp(rest)
			t.ops[op.name] = op
		case word == "error":
			t.readError(rest)
		case strings.HasPrefix(word, "."):
			t.shapes[open] = append(t.shapes[open], line)
		default:
			open, _, _ = strings.Cut(rest, "\t")
			t.shapes[open] = []string{line}
		}
	}
	return t
}

func (t *table) readService(line string) {
	f := strings.Split(line, "\t")
	t.protocol = protocol(f[0])
	t.version, t.target, t.namespace = attr(f, "version"), attr(f, "target"), attr(f, "xmlns")
}

func readOp(line string) *opLine {
	f := strings.Split(line, "\t")
	op := &opLine{name: f[0], method: f[1], uri: f[2], in: f[3], out: f[4], wrapper: attr(f, "wrapper"), events: attr(f, "events"), status: 200}
	if s := attr(f, "status"); s != "" {
		op.status, _ = strconv.Atoi(s)
	}
	return op
}

func (t *table) readError(line string) {
	f := strings.Split(line, "\t")
	e := errorLine{code: f[0], message: attr(f, "message"), fault: has(f, "fault"), typed: has(f, "typed"), reason: has(f, "reason")}
	if c := attr(f, "code"); c != "" {
		e.code = c
	}
	e.status, _ = strconv.Atoi(attr(f, "status"))
	t.errors[f[0]], t.errors[e.code] = e, e
}

// attr is the value of the field "key=value"; has finds a field that stands alone.
func attr(fields []string, key string) string {
	for _, f := range fields {
		if v, ok := strings.CutPrefix(f, key+"="); ok {
			return v
		}
	}
	return ""
}

func has(fields []string, word string) bool {
	for _, f := range fields {
		if f == word {
			return true
		}
	}
	return false
}
