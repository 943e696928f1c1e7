package awsproto

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// validator collects a request's violations of the model's constraints.
type validator struct {
	found []violation
}

// violation is one value that broke one constraint.
type violation struct {
	value      string // as AWS prints it, in quotes; "" for secrets
	path       string
	constraint string
}

func (v violation) String() string {
	value := v.value
	if value != "" {
		value += " "
	}
	return "Value " + value + "at '" + v.path + "' failed to satisfy constraint: " + v.constraint
}

// maxViolations bounds the text of one answer.
const maxViolations = 100

// validate checks a decoded request.
func validate(s *shape, v reflect.Value) []violation {
	var c validator
	if s.checked {
		c.members(s, v, "")
	}
	return c.found
}

// refusal words violations as AWS does.
func refusal(found []violation) string {
	if len(found) == 1 {
		return "1 validation error detected: " + found[0].String()
	}
	texts := make([]string, len(found))
	for i, v := range found {
		texts[i] = v.String()
	}
	return fmt.Sprintf("%d validation errors detected: %s", len(found), strings.Join(texts, "; "))
}

// fail notes one violation; the values of sensitive shapes stay unsaid.
func (c *validator) fail(s *shape, value, path, constraint string) {
	if len(c.found) >= maxViolations {
		return
	}
	if s.sensitive {
		value = ""
	}
	c.found = append(c.found, violation{value, path, constraint})
}

const textNotNull = "Member must not be null"

func (c *validator) members(s *shape, v reflect.Value, prefix string) {
	for _, m := range s.members {
		if !m.required && !m.shape.checked {
			continue
		}
		f := v.Field(m.field)
		switch {
		case !absent(f):
			c.value(m.shape, f, prefix+m.path)
		case m.required:
			c.fail(&shape{}, "null", prefix+m.path, textNotNull)
		}
	}
}

// value checks one value that is present.
func (c *validator) value(s *shape, v reflect.Value, path string) {
	if !s.checked {
		return
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	for _, constraint := range s.limits.broken(s, v) {
		c.fail(s, quoted(s, v), path, constraint)
	}
	switch s.kind {
	case kindStruct:
		c.members(s, v, path+".")
	case kindList:
		c.list(s, v, path)
	case kindMap:
		c.mapping(s, v, path)
	}
}

// list checks elements. A wrong scalar is reported once for the whole list,
// with all the constraints its elements have; structures by their number.
func (c *validator) list(s *shape, v reflect.Value, path string) {
	scalar := s.elem.kind < kindStruct
	for i := range v.Len() {
		e := v.Index(i)
		if !scalar {
			c.value(s.elem, e, path+"."+strconv.Itoa(i+1)+".member")
			continue
		}
		if len(s.elem.limits.broken(s.elem, e)) > 0 {
			hide := &shape{sensitive: s.sensitive || s.elem.sensitive}
			c.fail(hide, quoted(s, v), path, "Member must satisfy constraint: "+s.elem.limits.all(s.elem))
			return
		}
	}
}

// mapping checks keys and values as AWS words it: once for the whole map.
func (c *validator) mapping(s *shape, v reflect.Value, path string) {
	hide := &shape{sensitive: s.sensitive || s.elem.sensitive || s.key.sensitive}
	var badKey, badValue bool
	for _, key := range sortedKeys(v) {
		k := reflect.ValueOf(key)
		badKey = badKey || len(s.key.limits.broken(s.key, k)) > 0
		if e := v.MapIndex(k); s.elem.kind >= kindStruct {
			c.value(s.elem, e, path+"."+key+".member")
		} else {
			badValue = badValue || len(s.elem.limits.broken(s.elem, e)) > 0
		}
	}
	if badKey {
		c.fail(hide, quoted(s, v), path, "Map keys must satisfy constraint: "+s.key.limits.all(s.key))
	}
	if badValue {
		c.fail(hide, quoted(s, v), path, "Map value must satisfy constraint: "+s.elem.limits.all(s.elem))
	}
}

// broken lists the constraints that v fails.
func (l *limits) broken(s *shape, v reflect.Value) []string {
	if !l.any {
		return nil
	}
	var bad []string
	n, sized := size(s, v)
	if l.hasMin && n < l.min {
		bad = append(bad, l.minimum(sized))
	}
	if l.hasMax && n > l.max {
		bad = append(bad, l.maximum(sized))
	}
	if s.kind != kindString {
		return bad
	}
	if l.pattern != nil && !l.pattern.match(v.String()) {
		bad = append(bad, l.shaped())
	}
	if l.enum != nil && !contains(l.enum, v.String()) {
		bad = append(bad, l.member())
	}
	return bad
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// size is what min and max speak of: a number's value, or a length.
func size(s *shape, v reflect.Value) (n float64, sized bool) {
	switch s.kind {
	case kindInt, kindLong:
		return float64(v.Int()), false
	case kindFloat:
		return v.Float(), false
	case kindString:
		return float64(utf8.RuneCountInString(v.String())), true
	case kindList, kindMap, kindBlob:
		return float64(v.Len()), true
	}
	return 0, false
}

func (l *limits) minimum(sized bool) string {
	return "Member must have " + measure(sized) + " greater than or equal to " + l.minText
}

func (l *limits) maximum(sized bool) string {
	return "Member must have " + measure(sized) + " less than or equal to " + l.maxText
}

func measure(sized bool) string {
	if sized {
		return "length"
	}
	return "value"
}

func (l *limits) shaped() string {
	return "Member must satisfy regular expression pattern: " + l.pattern.source
}

func (l *limits) member() string {
	return "Member must satisfy enum value set: [" + strings.Join(l.enum, ", ") + "]"
}

// all lists every constraint of an element. AWS names them all, in this order,
// whichever was broken (its answer to CreateFunctionUrlConfig with a bad
// cors.allowMethods, and to PublishLayerVersion with bad runtimes).
func (l *limits) all(s *shape) string {
	sized := s.kind != kindInt && s.kind != kindLong && s.kind != kindFloat
	var list []string
	if l.hasMax {
		list = append(list, l.maximum(sized))
	}
	if l.hasMin {
		list = append(list, l.minimum(sized))
	}
	if l.pattern != nil {
		list = append(list, l.shaped())
	}
	if l.enum != nil {
		list = append(list, l.member())
	}
	return "[" + strings.Join(append(list, textNotNull), ", ") + "]"
}

// quoted is a value as AWS prints it.
func quoted(s *shape, v reflect.Value) string {
	var b strings.Builder
	b.WriteByte('\'')
	show(&b, s, v)
	b.WriteByte('\'')
	return b.String()
}

// maxShown bounds how much of a value an answer repeats (chosen).
const maxShown = 4096

// show prints like Java's toString: lists in brackets, maps in braces.
func show(b *strings.Builder, s *shape, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if b.Len() > maxShown {
		return
	}
	switch {
	case s.sensitive:
		b.WriteString("***")
	case s.kind == kindList:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			show(b, s.elem, v.Index(i))
		}
		b.WriteByte(']')
	case s.kind == kindMap:
		b.WriteByte('{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(key + "=")
			show(b, s.elem, v.MapIndex(reflect.ValueOf(key)))
		}
		b.WriteByte('}')
	case s.kind == kindStruct:
		showStruct(b, s, v)
	default:
		b.WriteString(scalarText(s, v))
	}
}

func showStruct(b *strings.Builder, s *shape, v reflect.Value) {
	b.WriteString(s.name + "(")
	first := true
	for _, m := range s.members {
		f := v.Field(m.field)
		if absent(f) {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		b.WriteString(m.path + "=")
		show(b, m.shape, f)
	}
	b.WriteByte(')')
}

func scalarText(s *shape, v reflect.Value) string {
	switch s.kind {
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt, kindLong:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return string(appendFloat(nil, v.Float()))
	case kindTime:
		return string(appendTime(nil, v.Interface().(time.Time), formatISO))
	case kindBlob:
		return "java.nio.HeapByteBuffer[pos=0 lim=" + strconv.Itoa(v.Len()) + " cap=" + strconv.Itoa(v.Len()) + "]"
	default:
		if t := v.String(); len(t) > maxShown {
			return strings.ToValidUTF8(t[:maxShown], "")
		}
		return v.String()
	}
}
