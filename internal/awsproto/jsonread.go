package awsproto

import (
	"bytes"
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// Bounds on what a request may make of little text: nesting, and elements of
// one list, since "{}," may stand for a large structure.
const (
	maxDepth    = 64
	maxElements = 100_000
)

// jsonReader decodes a JSON text straight into generated structs.
type jsonReader struct {
	b     []byte
	i     int
	depth int
}

// readJSON decodes a body into the structure v. An empty body is an empty structure.
func readJSON(body []byte, s *shape, v reflect.Value) error {
	r := &jsonReader{b: body}
	if r.peek() == 0 && r.i >= len(r.b) {
		return nil
	}
	if err := r.value(s, v, ""); err != nil {
		return err
	}
	if r.peek(); r.i < len(r.b) {
		return r.syntax()
	}
	return nil
}

func (r *jsonReader) syntax() error {
	return faultf(codeSerialization, "Could not parse request body into json: unexpected text at byte %d", r.i)
}

// peek skips white space and gives the next byte, or 0 at the end.
func (r *jsonReader) peek() byte {
	for ; r.i < len(r.b); r.i++ {
		switch c := r.b[r.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// slot is where a value goes: a pointer member gets its pointer here.
func slot(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// value decodes the next value as s; null leaves v absent.
func (r *jsonReader) value(s *shape, v reflect.Value, format string) error {
	c := r.peek()
	if c == 'n' {
		return r.literal("null")
	}
	switch s.kind {
	case kindStruct:
		return r.structure(s, v)
	case kindList:
		return r.list(s, v)
	case kindMap:
		return r.mapping(s, v)
	}
	switch c {
	case '"':
		return r.fromString(s, v, format)
	case 't', 'f':
		return r.fromBool(s, v, c == 't')
	case '{':
		return faultf(codeSerialization, "Start of structure or map found where not expected.")
	case '[':
		return faultf(codeSerialization, "Start of list found where not expected")
	default:
		return r.fromNumber(s, v)
	}
}

// javaName is how AWS's texts call the type a value should have had.
var javaName = map[kind]string{
	kindString: "a String", kindBool: "a Boolean", kindInt: "an Integer", kindLong: "a Long",
	kindFloat: "a Double", kindTime: "milliseconds since epoch", kindBlob: "a Blob",
}

func mismatch(token string, s *shape) error {
	return faultf(codeSerialization, "%s can not be converted to %s", token, javaName[s.kind])
}

func (r *jsonReader) literal(word string) error {
	if !bytes.HasPrefix(r.b[r.i:], []byte(word)) {
		return r.syntax()
	}
	r.i += len(word)
	return nil
}

func (r *jsonReader) fromBool(s *shape, v reflect.Value, value bool) error {
	word, token := "false", "FALSE_VALUE"
	if value {
		word, token = "true", "TRUE_VALUE"
	}
	if err := r.literal(word); err != nil {
		return err
	}
	if s.kind != kindBool {
		return mismatch(token, s)
	}
	slot(v).SetBool(value)
	return nil
}

func (r *jsonReader) fromString(s *shape, v reflect.Value, format string) error {
	raw, plain, err := r.token()
	if err != nil {
		return err
	}
	switch s.kind {
	case kindString:
		slot(v).SetString(text(raw, plain))
	case kindBlob:
		return r.blob(v, raw, plain)
	case kindTime:
		t, ok := parseTime(text(raw, plain), format)
		if !ok {
			return mismatch("STRING_VALUE", s)
		}
		slot(v).Set(reflect.ValueOf(t))
	default:
		return mismatch("STRING_VALUE", s)
	}
	return nil
}

func (r *jsonReader) blob(v reflect.Value, raw []byte, plain bool) error {
	if !plain {
		raw = []byte(text(raw, plain))
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(out, raw)
	if err != nil {
		return faultf(codeSerialization, "Unable to decode the value: it is not Base64")
	}
	v.SetBytes(out[:n])
	return nil
}

// number gives the text of a JSON number.
func (r *jsonReader) number() (string, error) {
	start := r.i
	if r.i < len(r.b) && r.b[r.i] == '-' {
		r.i++
	}
	lead := r.i
	r.digits()
	if r.i == lead || r.b[lead] == '0' && r.i > lead+1 {
		return "", r.syntax()
	}
	if r.i < len(r.b) && r.b[r.i] == '.' {
		r.i++
		if !r.digits() {
			return "", r.syntax()
		}
	}
	if r.i < len(r.b) && r.b[r.i]|0x20 == 'e' {
		r.i++
		if r.i < len(r.b) && (r.b[r.i] == '+' || r.b[r.i] == '-') {
			r.i++
		}
		if !r.digits() {
			return "", r.syntax()
		}
	}
	return string(r.b[start:r.i]), nil
}

func (r *jsonReader) digits() bool {
	start := r.i
	for r.i < len(r.b) && r.b[r.i] >= '0' && r.b[r.i] <= '9' {
		r.i++
	}
	return r.i > start
}

func (r *jsonReader) fromNumber(s *shape, v reflect.Value) error {
	num, err := r.number()
	if err != nil {
		return err
	}
	switch s.kind {
	case kindInt, kindLong:
		n, ok := parseInteger(num, s.kind)
		if !ok {
			return mismatch("NUMBER_VALUE", s)
		}
		slot(v).SetInt(n)
	case kindFloat:
		f, err := strconv.ParseFloat(num, 64)
		if err != nil {
			return mismatch("NUMBER_VALUE", s)
		}
		slot(v).SetFloat(f)
	case kindTime:
		t, ok := epoch(num)
		if !ok {
			return mismatch("NUMBER_VALUE", s)
		}
		slot(v).Set(reflect.ValueOf(t))
	default:
		return mismatch("NUMBER_VALUE", s)
	}
	return nil
}

// parseInteger reads a whole number; like AWS's parser it cuts a fraction off.
func parseInteger(num string, k kind) (int64, bool) {
	bits := 64
	if k == kindInt {
		bits = 32
	}
	if n, err := strconv.ParseInt(num, 10, bits); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(num, 64)
	limit := math.Exp2(float64(bits - 1))
	if err != nil || math.IsNaN(f) || f >= limit || f < -limit {
		return 0, false
	}
	return int64(f), true
}

// maxEpoch bounds timestamps, in seconds from 1970 (chosen: what milliseconds hold).
const maxEpoch = 1e12

// epoch reads seconds since 1970, with a fraction.
func epoch(num string) (time.Time, bool) {
	f, err := strconv.ParseFloat(num, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > maxEpoch {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
}

// enter counts the nesting.
func (r *jsonReader) enter() error {
	if r.depth++; r.depth > maxDepth {
		return faultf(codeSerialization, "The request body is nested too deeply")
	}
	r.i++
	return nil
}

// each calls f at every element of an object or list, between open and close.
func (r *jsonReader) each(end byte, f func() error) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer func() { r.depth-- }()
	if r.peek() == end {
		r.i++
		return nil
	}
	for {
		if err := f(); err != nil {
			return err
		}
		switch r.peek() {
		case ',':
			r.i++
		case end:
			r.i++
			return nil
		default:
			return r.syntax()
		}
	}
}

// name reads an object's key and its colon.
func (r *jsonReader) name() (raw []byte, plain bool, err error) {
	if r.peek() != '"' {
		return nil, false, r.syntax()
	}
	if raw, plain, err = r.token(); err != nil {
		return nil, false, err
	}
	if r.peek() != ':' {
		return nil, false, r.syntax()
	}
	r.i++
	return raw, plain, nil
}

func (r *jsonReader) structure(s *shape, v reflect.Value) error {
	switch r.peek() {
	case '{':
	case '[':
		return faultf(codeSerialization, "Start of list found where not expected")
	default:
		return r.unexpected("structure")
	}
	v = slot(v)
	return r.each('}', func() error {
		raw, plain, err := r.name()
		if err != nil {
			return err
		}
		m := s.byName[string(raw)]
		if !plain {
			m = s.byName[text(raw, plain)]
		}
		if m == nil {
			return r.skip()
		}
		return r.value(m.shape, v.Field(m.field), m.format)
	})
}

func (r *jsonReader) list(s *shape, v reflect.Value) error {
	if r.peek() != '[' {
		return r.unexpected("list")
	}
	list := reflect.MakeSlice(v.Type(), 0, 0)
	err := r.each(']', func() error {
		if list.Len() >= maxElements {
			return faultf(codeSerialization, "The request body holds a list that is too long")
		}
		if r.peek() == 'n' {
			return faultf(codeSerialization, "Null value found in a list")
		}
		list = reflect.Append(list, reflect.Zero(v.Type().Elem()))
		return r.value(s.elem, list.Index(list.Len()-1), "")
	})
	v.Set(list)
	return err
}

func (r *jsonReader) mapping(s *shape, v reflect.Value) error {
	if r.peek() != '{' {
		return r.unexpected("map")
	}
	v.Set(reflect.MakeMap(v.Type()))
	return r.each('}', func() error {
		raw, plain, err := r.name()
		if err != nil {
			return err
		}
		key := text(raw, plain)
		if r.peek() == 'n' {
			return faultf(codeSerialization, "Null value found in a map")
		}
		if v.Len() >= maxElements {
			return faultf(codeSerialization, "The request body holds a map that is too long")
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(s.elem, elem, ""); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), elem)
		return nil
	})
}

// unexpected reports a value that is no list, map or structure, or a syntax error.
func (r *jsonReader) unexpected(want string) error {
	c := r.peek()
	if err := r.skip(); err != nil {
		return err
	}
	switch c {
	case '{':
		return faultf(codeSerialization, "Start of structure or map found where not expected.")
	case '[':
		return faultf(codeSerialization, "Start of list found where not expected")
	}
	return faultf(codeSerialization, "Expected %s or null", want)
}

// skip passes over a value nobody asked for.
func (r *jsonReader) skip() error {
	switch r.peek() {
	case '{':
		return r.each('}', func() error {
			if _, _, err := r.name(); err != nil {
				return err
			}
			return r.skip()
		})
	case '[':
		return r.each(']', r.skip)
	case '"':
		_, _, err := r.token()
		return err
	case 't':
		return r.literal("true")
	case 'f':
		return r.literal("false")
	case 'n':
		return r.literal("null")
	default:
		_, err := r.number()
		return err
	}
}

// token reads a string; plain says that its bytes stand for themselves.
func (r *jsonReader) token() (raw []byte, plain bool, err error) {
	start := r.i + 1
	plain = true
	for i := start; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '"':
			r.i = i + 1
			return r.b[start:i], plain, nil
		case c == '\\':
			plain = false
			n := escapeLength(r.b[i:])
			if n == 0 {
				r.i = i
				return nil, false, r.syntax()
			}
			i += n - 1
		case c < ' ':
			r.i = i
			return nil, false, r.syntax()
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	r.i = len(r.b)
	return nil, false, r.syntax()
}
