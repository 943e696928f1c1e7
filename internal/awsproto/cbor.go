package awsproto

import (
	"encoding/binary"
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// cborMode reads what AWS's clients send. Well-formedness, nesting and sizes are
// checked before anything is decoded.
var cborMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		MaxNestedLevels: maxDepth, MaxArrayElements: maxElements, MaxMapPairs: maxElements,
		UTF8: cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}()

// readCBOR decodes a body into the structure v. An empty body is an empty structure.
func readCBOR(body []byte, s *shape, v reflect.Value) error {
	if len(body) == 0 {
		return nil
	}
	if err := cborMode.Wellformed(body); err != nil {
		return faultf(codeSerialization, "Could not parse request body as CBOR: %v", err)
	}
	return cborStruct(body, s, v)
}

// cborNull and cborUndefined stand for absence.
const (
	cborNull      = 0xf6
	cborUndefined = 0xf7
)

// cborValue decodes one well-formed item as s; null leaves v absent.
func cborValue(raw cbor.RawMessage, s *shape, v reflect.Value) error {
	if raw[0] == cborNull || raw[0] == cborUndefined {
		return nil
	}
	switch s.kind {
	case kindStruct:
		return cborStruct(raw, s, slot(v))
	case kindList:
		return cborList(raw, s, v)
	case kindMap:
		return cborMap(raw, s, v)
	case kindTime:
		return cborTime(raw, s, v)
	case kindFloat:
		return cborFloat(raw, s, v)
	case kindBlob:
		var b []byte
		if raw[0]>>5 != majorBytes || cborMode.Unmarshal(raw, &b) != nil {
			return cborMismatch(raw, s)
		}
		v.SetBytes(b)
		return nil
	}
	// Strings, booleans and whole numbers; the library refuses other types and
	// what overflows.
	to := reflect.New(slot(v).Type())
	if cborMode.Unmarshal(raw, to.Interface()) != nil {
		return cborMismatch(raw, s)
	}
	slot(v).Set(to.Elem())
	return nil
}

func cborStruct(raw cbor.RawMessage, s *shape, v reflect.Value) error {
	var fields map[string]cbor.RawMessage
	if cborMode.Unmarshal(raw, &fields) != nil {
		return faultf(codeSerialization, "Expected structure or null")
	}
	for name, field := range fields {
		if m := s.byName[name]; m != nil {
			if err := cborValue(field, m.shape, v.Field(m.field)); err != nil {
				return err
			}
		}
	}
	return nil
}

func cborList(raw cbor.RawMessage, s *shape, v reflect.Value) error {
	var items []cbor.RawMessage
	if raw[0]>>5 != majorList || cborMode.Unmarshal(raw, &items) != nil {
		return faultf(codeSerialization, "Expected list or null")
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if item[0] == cborNull || item[0] == cborUndefined {
			return faultf(codeSerialization, "Null value found in a list")
		}
		if err := cborValue(item, s.elem, list.Index(i)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

func cborMap(raw cbor.RawMessage, s *shape, v reflect.Value) error {
	var items map[string]cbor.RawMessage
	if cborMode.Unmarshal(raw, &items) != nil {
		return faultf(codeSerialization, "Expected map or null")
	}
	v.Set(reflect.MakeMap(v.Type()))
	for key, item := range items {
		if item[0] == cborNull || item[0] == cborUndefined {
			return faultf(codeSerialization, "Null value found in a map")
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := cborValue(item, s.elem, elem); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), elem)
	}
	return nil
}

// cborFloat takes whole numbers too: encoders choose the shortest form.
func cborFloat(raw cbor.RawMessage, s *shape, v reflect.Value) error {
	var f float64
	if major := raw[0] >> 5; major != majorUint && major != majorNegative && major != majorSimple || cborMode.Unmarshal(raw, &f) != nil {
		return cborMismatch(raw, s)
	}
	slot(v).SetFloat(f)
	return nil
}

// cborTime reads tag 1: seconds since 1970, whole or with a fraction.
func cborTime(raw cbor.RawMessage, s *shape, v reflect.Value) error {
	const tagEpoch = majorTag<<5 | 1
	var seconds float64
	if raw[0] != tagEpoch || cborMode.Unmarshal(raw[1:], &seconds) != nil || math.IsNaN(seconds) || math.Abs(seconds) > maxEpoch {
		return cborMismatch(raw, s)
	}
	slot(v).Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()))
	return nil
}

// cborToken names a major type as AWS's texts do for JSON.
var cborToken = [8]string{"NUMBER_VALUE", "NUMBER_VALUE", "BLOB_VALUE", "STRING_VALUE", "START_ARRAY", "START_OBJECT", "TIMESTAMP_VALUE", "SIMPLE_VALUE"}

func cborMismatch(raw cbor.RawMessage, s *shape) error { return mismatch(cborToken[raw[0]>>5], s) }

// Major types of CBOR, RFC 8949 3.1.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorList
	majorMap
	majorTag
	majorSimple
)

// appendHead writes the head of an item: its major type and a count.
func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

// appendCBORText writes a string; what is no UTF-8 in it becomes U+FFFD.
func appendCBORText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

func appendCBORFloat(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, majorSimple<<5|27), math.Float64bits(f))
}

// appendCBOR writes v, which is present, as s. Maps are sorted, so that the same
// answer has the same bytes.
func appendCBOR(b []byte, s *shape, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.kind {
	case kindStruct:
		return appendCBORStruct(b, s, v)
	case kindList:
		b = appendHead(b, majorList, uint64(v.Len()))
		for i := range v.Len() {
			b = appendCBOR(b, s.elem, v.Index(i))
		}
		return b
	case kindMap:
		b = appendHead(b, majorMap, uint64(v.Len()))
		for _, key := range sortedKeys(v) {
			b = appendCBOR(appendCBORText(b, key), s.elem, v.MapIndex(reflect.ValueOf(key)))
		}
		return b
	}
	return appendCBORScalar(b, s, v)
}

func appendCBORScalar(b []byte, s *shape, v reflect.Value) []byte {
	switch s.kind {
	case kindString:
		return appendCBORText(b, v.String())
	case kindBlob:
		return append(appendHead(b, majorBytes, uint64(v.Len())), v.Bytes()...)
	case kindTime:
		ms := v.Interface().(time.Time).UnixMilli()
		return appendCBORFloat(appendHead(b, majorTag, 1), float64(ms)/1000)
	case kindBool:
		if v.Bool() {
			return append(b, majorSimple<<5|21)
		}
		return append(b, majorSimple<<5|20)
	case kindFloat:
		return appendCBORFloat(b, v.Float())
	}
	if n := v.Int(); n < 0 {
		return appendHead(b, majorNegative, uint64(-(n + 1)))
	}
	return appendHead(b, majorUint, uint64(v.Int()))
}

func appendCBORStruct(b []byte, s *shape, v reflect.Value) []byte {
	n := uint64(0)
	for _, m := range s.members {
		if !absent(v.Field(m.field)) {
			n++
		}
	}
	b = appendHead(b, majorMap, n)
	for _, m := range s.members {
		if f := v.Field(m.field); !absent(f) {
			b = appendCBOR(appendCBORText(b, m.out), m.shape, f)
		}
	}
	return b
}
