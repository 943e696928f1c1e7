// Package mask learns what of a function's answers is stable and what is not
// (times, ids, random values), and compares answers by what is.
package mask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is what an invocation gave, flattened.
type Answer struct {
	Error  bool // a function error
	Text   string
	leaves []leaf // in the answer's order
}

// leaf is one value of an answer that holds no others.
type leaf struct {
	path   string // $.user.name, $.items[0]; after → inside a string that holds JSON
	tokens []string
	number bool
}

func (l leaf) text() string { return strings.Join(l.tokens, "") }

// maxLeaves bounds what of a large answer is looked at (chosen).
const maxLeaves = 4096

// Sample is an answer as it came.
type Sample struct {
	Body      []byte
	Error     bool
	RequestID string    // of the invocation: what of it the answer shows is no data
	Event     []byte    // times that stand in it are data
	At        time.Time // times close to it are clocks
}

// own are the texts that stand for what is another in every invocation.
const (
	ownRequestID = "«request id»"
	clock        = "«time»"
)

// Flatten reads a sample.
func Flatten(s Sample) Answer {
	f := flattener{s: s}
	a := Answer{Error: s.Error, Text: string(s.Body)}
	var v any
	if !decode(s.Body, &v) {
		f.text("$", string(s.Body))
		a.leaves = f.leaves
		return a
	}
	if m, ok := v.(map[string]any); ok && s.Error {
		v = map[string]any{"errorMessage": m["errorMessage"], "errorType": m["errorType"]} // the trace and the id are not the function's
	}
	f.value("$", v)
	a.leaves = f.leaves
	return a
}

func decode(data []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(v) != nil {
		return false
	}
	_, err := d.Token()
	return errors.Is(err, io.EOF)
}

type flattener struct {
	s      Sample
	leaves []leaf
}

func (f *flattener) value(path string, v any) {
	if len(f.leaves) >= maxLeaves {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			f.add(path, false, "{}")
		}
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			f.value(path+"."+name, v[name])
		}
	case []any:
		if len(v) == 0 {
			f.add(path, false, "[]")
		}
		for i, e := range v {
			f.value(path+"["+strconv.Itoa(i)+"]", e)
		}
	case string:
		f.text(path, v)
	case json.Number:
		f.number(path, v.String())
	case nil:
		f.add(path, false, "null")
	default:
		f.add(path, false, fmt.Sprint(v))
	}
}

// text reads a string; one that is JSON itself, as in a proxy's body, is looked into.
func (f *flattener) text(path, s string) {
	if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
		var v any
		if path != "$" && decode([]byte(s), &v) {
			f.value(path+"→", v)
			return
		}
	}
	f.add(path, false, f.tokens(s)...)
}

func (f *flattener) number(path, s string) {
	if isClockNumber(s, f.s.At) && !bytes.Contains(f.s.Event, []byte(s)) {
		s = clock
	}
	f.add(path, true, s)
}

func (f *flattener) add(path string, number bool, tokens ...string) {
	if len(f.leaves) < maxLeaves {
		f.leaves = append(f.leaves, leaf{path: path, tokens: tokens, number: number})
	}
}

// tokens cuts a string into words and what is between them, with the request's
// own id and clocks taken out.
func (f *flattener) tokens(s string) (list []string) {
	for s != "" {
		if id := f.s.RequestID; id != "" && strings.HasPrefix(s, id) {
			list, s = append(list, ownRequestID), s[len(id):]
			continue
		}
		if n := clockText(s, f.s.At); n > 0 && !bytes.Contains(f.s.Event, []byte(s[:n])) {
			list, s = append(list, clock), s[n:]
			continue
		}
		n := wordLength(s)
		list, s = append(list, s[:n]), s[n:]
	}
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

// wordLength is how long the word at the begin of s is, or what stands before the next one.
func wordLength(s string) int {
	word := isWord(rune(s[0]))
	for i, r := range s {
		if isWord(r) != word {
			return i
		}
	}
	return len(s)
}

func isWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80
}

// At is the value of a path.
func (a Answer) At(path string) (string, bool) {
	for _, l := range a.leaves {
		if l.path == path {
			return l.text(), true
		}
	}
	return "", false
}
