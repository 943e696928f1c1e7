package awsproto

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// xmlWriter encodes answers of the query protocols.
type xmlWriter struct {
	b        []byte
	protocol protocol
}

func (w *xmlWriter) open(name string)  { w.b = append(append(append(w.b, '<'), name...), '>') }
func (w *xmlWriter) close(name string) { w.b = append(append(append(w.b, "</"...), name...), '>') }
func (w *xmlWriter) empty(name string) { w.b = append(append(append(w.b, '<'), name...), "/>"...) }

// element writes a small element of plain text.
func (w *xmlWriter) element(name, value string) {
	w.open(name)
	w.b = appendXMLText(w.b, value)
	w.close(name)
}

// root opens the answer's element with its namespace.
func (w *xmlWriter) root(name, namespace string) {
	w.b = append(append(append(w.b, '<'), name...), ` xmlns="`...)
	w.b = append(append(w.b, namespace...), `">`...)
}

// members writes what a structure holds, without an element around it.
func (w *xmlWriter) members(s *shape, v reflect.Value) {
	for _, m := range s.members {
		if f := v.Field(m.field); !absent(f) {
			w.value(m.shape, f, m.out, m.format)
		}
	}
}

// value writes v, which is present, as an element.
func (w *xmlWriter) value(s *shape, v reflect.Value, name, format string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.kind {
	case kindStruct:
		w.open(name)
		w.members(s, v)
		w.close(name)
	case kindList:
		w.list(s, v, name)
	case kindMap:
		w.mapping(s, v, name)
	default:
		w.open(name)
		w.scalar(s, v, format)
		w.close(name)
	}
}

func (w *xmlWriter) list(s *shape, v reflect.Value, name string) {
	item := firstOf(s.item, "member")
	switch {
	case w.protocol == ec2Query:
		item = "item"
	case s.flat:
		for i := range v.Len() {
			w.value(s.elem, v.Index(i), name, "")
		}
		return
	}
	if v.Len() == 0 {
		w.empty(name)
		return
	}
	w.open(name)
	for i := range v.Len() {
		w.value(s.elem, v.Index(i), item, "")
	}
	w.close(name)
}

func (w *xmlWriter) mapping(s *shape, v reflect.Value, name string) {
	if v.Len() == 0 {
		w.empty(name)
		return
	}
	w.open(name)
	for _, key := range sortedKeys(v) {
		w.open("entry")
		w.element("key", key)
		w.value(s.elem, v.MapIndex(reflect.ValueOf(key)), "value", "")
		w.close("entry")
	}
	w.close(name)
}

func (w *xmlWriter) scalar(s *shape, v reflect.Value, format string) {
	switch s.kind {
	case kindString:
		w.b = appendXMLText(w.b, v.String())
	case kindBool:
		w.b = strconv.AppendBool(w.b, v.Bool())
	case kindInt, kindLong:
		w.b = strconv.AppendInt(w.b, v.Int(), 10)
	case kindFloat:
		w.b = appendFloat(w.b, v.Float())
	case kindBlob:
		w.b = base64.StdEncoding.AppendEncode(w.b, v.Bytes())
	case kindTime:
		iso := formatISO
		if w.protocol == ec2Query {
			iso = formatMillis
		}
		w.b = appendTime(w.b, v.Interface().(time.Time), firstOf(format, s.format, iso))
	}
}

// appendXMLText escapes what XML can't hold as it is; what it can't hold at all
// becomes U+FFFD.
func appendXMLText(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\r':
			b = append(b, "&#xD;"...)
		case r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF:
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
