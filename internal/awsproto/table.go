package awsproto

import (
	"slices"
	"strconv"
	"strings"
)

// protocol is one of AWS's ways of putting an operation on the wire.
type protocol string

const (
	restJSON protocol = "rest-json"
	awsJSON  protocol = "json" // 1.0 and 1.1
	rpcCBOR  protocol = "smithy-rpc-v2-cbor"
	query    protocol = "query"
	ec2Query protocol = "ec2"
	restXML  protocol = "rest-xml" // S3's, which is only refused here
)

// xml tells the protocols that take forms and answer in XML.
func (p protocol) xml() bool { return p == query || p == ec2Query }

// table is a service's generated table, split into lines. Shapes are understood
// only when an operation needs them.
type table struct {
	protocol  protocol
	also      []protocol // that the service speaks besides
	version   string
	json      string // version of its JSON protocol
	target    string
	namespace string
	ops       map[string]*opLine
	unserved  []*opLine            // that AWS has: name, method and path
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
	shape, code, message string
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
		case word == "unserved":
			f := strings.Split(rest, "\t")
			t.unserved = append(t.unserved, &opLine{name: f[0], method: f[1], uri: f[2]})
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
	t.version, t.json, t.target, t.namespace = attr(f, "version"), attr(f, "json"), attr(f, "target"), attr(f, "xmlns")
	if also := attr(f, "also"); also != "" {
		for name := range strings.SplitSeq(also, ",") {
			t.also = append(t.also, protocol(name))
		}
	}
}

// speaks says whether the service takes requests in p.
func (t *table) speaks(p protocol) bool { return t.protocol == p || slices.Contains(t.also, p) }

// form is the protocol of the service's forms; "" where it takes none.
func (t *table) form() protocol {
	for _, p := range []protocol{query, ec2Query} {
		if t.speaks(p) {
			return p
		}
	}
	return ""
}

// queryCompatible tells a service that had spoken Query before it got other
// protocols: there, its errors go by two names, the shape's and the old code.
func (t *table) queryCompatible() bool { return t.protocol != query && t.speaks(query) }

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
	e := errorLine{shape: f[0], code: f[0], message: attr(f, "message"), fault: has(f, "fault"), typed: has(f, "typed"), reason: has(f, "reason")}
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
