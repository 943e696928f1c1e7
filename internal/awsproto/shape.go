package awsproto

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt
	kindLong
	kindFloat
	kindTime
	kindBlob
	kindStruct
	kindList
	kindMap
)

var kindOf = map[string]kind{
	"string": kindString, "boolean": kindBool, "integer": kindInt, "long": kindLong,
	"double": kindFloat, "float": kindFloat, "timestamp": kindTime, "blob": kindBlob,
	"structure": kindStruct, "list": kindList, "map": kindMap,
}

// shape is a type of the model bound to its Go type: the plan by which it is
// decoded, checked and encoded.
type shape struct {
	name      string
	kind      kind
	sensitive bool
	flat      bool   // list or map without a wrapping element
	item      string // element name of a list's members
	format    string // of a timestamp
	limits    limits
	elem, key *shape
	members   []*member // of a structure, in the model's order
	byName    map[string]*member
	payload   *member
	checked   bool // something at or below this shape has a constraint
	body      bool // a structure with members that travel in the body
}

// member is one member of a structure.
type member struct {
	name     string // in the model
	path     string // in validation texts: with a small first letter
	in, out  string // names on the wire
	at       string // "", uri, querystring, header, statusCode
	format   string
	required bool
	field    int
	shape    *shape

	eventPayload bool // all of an event's payload
}

// compiler binds shapes of one service; it is used under the service's lock.
type compiler struct {
	table *table
	done  map[string]*shape
}

// structure binds a structure by its name and Go type.
func (c *compiler) structure(name string, t reflect.Type) *shape {
	if name == "-" {
		return &shape{kind: kindStruct}
	}
	return c.shape(name, t)
}

func (c *compiler) shape(name string, t reflect.Type) *shape {
	if s := c.done[name]; s != nil {
		return s
	}
	lines := c.table.shapes[name]
	if lines == nil {
		k, ok := kindOf[name]
		if !ok {
			panic("awsproto: the table has no shape " + name)
		}
		s := &shape{name: name, kind: k}
		c.done[name] = s
		return s
	}
	f := strings.Split(lines[0], "\t")
	s := &shape{name: name, kind: kindOf[f[0]], sensitive: has(f, "sensitive"), flat: has(f, "flattened"), format: attr(f, "format")}
	// Known before its parts, since shapes may be recursive, and until they are
	// known taken for one that has something to check.
	c.done[name], s.checked = s, true
	switch s.kind {
	case kindStruct:
		c.fill(s, f, lines[1:], t)
	case kindList:
		s.limits = readLimits(f)
		s.item = attr(f, "wire")
		s.elem = c.shape(f[2], t.Elem())
	case kindMap:
		s.limits = readLimits(f)
		s.key, s.elem = c.shape(f[2], t.Key()), c.shape(f[3], t.Elem())
	default:
		s.limits = readLimits(f)
	}
	s.mark()
	return s
}

// fill binds the members of a structure to the fields of its Go type.
func (c *compiler) fill(s *shape, head, lines []string, t reflect.Type) {
	s.byName = make(map[string]*member, len(lines))
	for _, line := range lines {
		f := strings.Split(line, "\t")
		name := f[0][1:]
		field, ok := t.FieldByName(capital(name))
		if !ok {
			panic(fmt.Sprintf("awsproto: %s has no field for %s", t, name))
		}
		ft := field.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		m := &member{name: name, path: small(name), at: attr(f, "at"), format: attr(f, "format"), required: has(f, "required"), field: field.Index[0], eventPayload: has(f, "eventpayload")}
		m.in, m.out = c.wire(name, f)
		m.shape = c.shape(f[1], ft)
		s.members = append(s.members, m)
		if m.at == "" {
			s.byName[m.in], s.body = m, true
		}
	}
	if p := attr(head, "payload"); p != "" {
		for _, m := range s.members {
			if m.name == p {
				s.payload = m
			}
		}
	}
}

// wire gives a member's names in requests and in answers.
func (c *compiler) wire(name string, f []string) (in, out string) {
	out = name
	if w := attr(f, "wire"); w != "" {
		out = w
	}
	if c.table.protocol != ec2Query {
		return out, out
	}
	if q := attr(f, "query"); q != "" {
		return q, out
	}
	return capital(out), out
}

// mark notes whether validation has anything to do at or below s.
func (s *shape) mark() {
	checked := s.limits.any
	for _, m := range s.members {
		checked = checked || m.required || m.shape.checked
	}
	for _, sub := range []*shape{s.elem, s.key} {
		checked = checked || sub != nil && sub.checked
	}
	s.checked = checked
}

func capital(name string) string {
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[n:]
}

func small(name string) string {
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[n:]
}

// limits are the constraints of a scalar, list or map.
type limits struct {
	any            bool
	hasMin, hasMax bool
	min, max       float64
	minText        string
	maxText        string
	enum           []string
	pattern        *pattern
}

func readLimits(f []string) limits {
	var l limits
	l.minText, l.maxText = attr(f, "min"), attr(f, "max")
	l.hasMin, l.hasMax = l.minText != "", l.maxText != ""
	l.min, _ = strconv.ParseFloat(l.minText, 64)
	l.max, _ = strconv.ParseFloat(l.maxText, 64)
	if e := attr(f, "enum"); e != "" {
		l.enum = strings.Split(e, "|")
	}
	if p := attr(f, "pattern"); p != "" {
		l.pattern = compilePattern(p)
	}
	l.any = l.hasMin || l.hasMax || l.enum != nil || l.pattern != nil
	return l
}
