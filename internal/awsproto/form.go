package awsproto

import (
	"encoding/base64"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Bounds on a form (chosen): far above what any operation of the query
// protocols takes.
const (
	maxFormBytes  = 1 << 20
	maxFormParams = 10_000
	maxFormDepth  = 32
)

// form is a request of the query protocols, its dotted names taken apart.
type form struct {
	value string
	set   bool
	parts map[string]*form
}

// parseForm reads the parameters of a body and of a URL's query.
func parseForm(sources ...string) (*form, error) {
	root, count := &form{}, 0
	for _, src := range sources {
		for pair := range strings.SplitSeq(src, "&") {
			if pair == "" {
				continue
			}
			if count++; count > maxFormParams {
				return nil, faultf("MalformedQueryString", "The request has too many parameters")
			}
			key, value, _ := strings.Cut(pair, "=")
			key, errKey := url.QueryUnescape(key)
			value, errValue := url.QueryUnescape(value)
			if errKey != nil || errValue != nil {
				return nil, faultf("MalformedQueryString", "The query string contains a syntax error")
			}
			if strings.Count(key, ".") >= maxFormDepth {
				return nil, faultf("MalformedQueryString", "A parameter's name is nested too deeply")
			}
			root.put(key, value)
		}
	}
	return root, nil
}

func (f *form) put(key, value string) {
	for part := range strings.SplitSeq(key, ".") {
		if f.parts == nil {
			f.parts = map[string]*form{}
		}
		next := f.parts[part]
		if next == nil {
			next = &form{}
			f.parts[part] = next
		}
		f = next
	}
	f.value, f.set = value, true
}

// at gives a part; nil where there is none.
func (f *form) at(name string) *form {
	if f == nil {
		return nil
	}
	return f.parts[name]
}

func (f *form) text(name string) string {
	if p := f.at(name); p != nil {
		return p.value
	}
	return ""
}

// numbered lists the parts named 1, 2, 3 ... in order; gaps are closed.
func (f *form) numbered() []*form {
	type part struct {
		n int
		f *form
	}
	var found []part
	for name, p := range f.parts {
		if n, err := strconv.Atoi(name); err == nil && n >= 0 {
			found = append(found, part{n, p})
		}
	}
	slices.SortFunc(found, func(a, b part) int { return a.n - b.n })
	list := make([]*form, len(found))
	for i, p := range found {
		list[i] = p.f
	}
	return list
}

// formReader decodes a form into generated structs.
type formReader struct{ protocol protocol }

func (r formReader) structure(f *form, s *shape, v reflect.Value) error {
	for _, m := range s.members {
		part := f.at(m.in)
		if part == nil {
			continue
		}
		if err := r.value(part, m.shape, v.Field(m.field), m.in, m.format); err != nil {
			return err
		}
	}
	return nil
}

func (r formReader) value(f *form, s *shape, v reflect.Value, name, format string) error {
	switch s.kind {
	case kindStruct:
		return r.structure(f, s, slot(v))
	case kindList:
		return r.list(f, s, v, name)
	case kindMap:
		return r.mapping(f, s, v, name)
	}
	if !f.set {
		return nil
	}
	if !setScalar(s, v, f.value, firstOf(format, s.format, formatISO)) {
		if r.protocol == ec2Query {
			return faultf(codeInvalidValue, "Value (%s) for parameter %s is invalid.", f.value, name)
		}
		return faultf(codeMalformed, "STRING_VALUE can not be converted to %s", javaName[s.kind])
	}
	return nil
}

// list reads "Name.member.1"; without the middle word where the protocol or the
// list has none. An empty value alone is an empty list.
func (r formReader) list(f *form, s *shape, v reflect.Value, name string) error {
	if r.protocol == query && !s.flat {
		if wrapped := f.at(firstOf(s.item, "member")); wrapped != nil {
			f = wrapped
		}
	}
	parts := f.numbered()
	if len(parts) == 0 && !f.set {
		return nil
	}
	list := reflect.MakeSlice(v.Type(), len(parts), len(parts))
	for i, p := range parts {
		if err := r.value(p, s.elem, list.Index(i), name, ""); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// mapping reads "Name.entry.1.key" and "Name.entry.1.value".
func (r formReader) mapping(f *form, s *shape, v reflect.Value, name string) error {
	if entries := f.at("entry"); entries != nil && !s.flat {
		f = entries
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range f.numbered() {
		elem := reflect.New(v.Type().Elem()).Elem()
		if value := p.at("value"); value != nil {
			if err := r.value(value, s.elem, elem, name, ""); err != nil {
				return err
			}
		}
		v.SetMapIndex(reflect.ValueOf(p.text("key")), elem)
	}
	return nil
}

// setScalar reads a scalar from text; it is also how headers, paths and query
// strings are read.
func setScalar(s *shape, v reflect.Value, value, format string) bool {
	switch s.kind {
	case kindString:
		slot(v).SetString(value)
	case kindBool:
		b, ok := parseBool(value)
		if !ok {
			return false
		}
		slot(v).SetBool(b)
	case kindInt, kindLong:
		bits := 64
		if s.kind == kindInt {
			bits = 32
		}
		n, err := strconv.ParseInt(value, 10, bits)
		if err != nil {
			return false
		}
		slot(v).SetInt(n)
	case kindFloat:
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return false
		}
		slot(v).SetFloat(n)
	case kindBlob:
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return false
		}
		v.SetBytes(b)
	case kindTime:
		t, ok := parseTime(value, format)
		if !ok {
			return false
		}
		slot(v).Set(reflect.ValueOf(t))
	}
	return true
}

func parseBool(value string) (b, ok bool) {
	switch strings.ToLower(value) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}
