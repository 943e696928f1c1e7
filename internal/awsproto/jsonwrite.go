package awsproto

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// appendJSON writes v, which is present, as s.
func appendJSON(b []byte, s *shape, v reflect.Value, format string) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.kind {
	case kindStruct:
		return appendJSONStruct(b, s, v)
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, s.elem, v.Index(i), "")
		}
		return append(b, ']')
	case kindMap:
		return appendJSONMap(b, s, v)
	case kindString:
		return appendString(b, v.String())
	case kindBlob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case kindTime:
		return appendJSONTime(b, v, format, s.format)
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindFloat:
		return appendFloat(b, v.Float())
	default:
		return strconv.AppendInt(b, v.Int(), 10)
	}
}

func appendJSONTime(b []byte, v reflect.Value, formats ...string) []byte {
	t := v.Interface().(time.Time)
	switch format := firstOf(formats...); format {
	case "", formatEpoch:
		return appendTime(b, t, formatEpoch)
	default:
		return append(appendTime(append(b, '"'), t, format), '"')
	}
}

// firstOf is the first word that is not empty.
func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// absent tells members that stay off the wire.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return false
}

func appendJSONStruct(b []byte, s *shape, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	for _, m := range s.members {
		f := v.Field(m.field)
		if m.at != "" || absent(f) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, m.out), ':')
		b = appendJSON(b, m.shape, f, m.format)
	}
	return append(b, '}')
}

// appendJSONMap sorts the keys, so that the same answer has the same bytes.
func appendJSONMap(b []byte, s *shape, v reflect.Value) []byte {
	b = append(b, '{')
	for i, key := range sortedKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, key), ':')
		b = appendJSON(b, s.elem, v.MapIndex(reflect.ValueOf(key)), "")
	}
	return append(b, '}')
}

func sortedKeys(v reflect.Value) []string {
	keys := make([]string, 0, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		keys = append(keys, iter.Key().String())
	}
	slices.Sort(keys)
	return keys
}
