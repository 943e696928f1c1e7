package awsproto

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// node is a recursive shape with one member of each kind.
type node struct {
	S     *string
	B     *bool
	I     *int32
	L     *int64
	F     *float64
	T     *time.Time
	Blob  []byte
	Next  *node
	Nodes []node
	Words []string
	Map   map[string]string
	Deep  map[string]node
}

const nodeTable = `service	query	version=1	xmlns=urn:x
structure	Node
.S	string
.B	boolean
.I	integer
.L	long
.F	double
.T	timestamp
.Blob	blob
.Next	Node
.Nodes	Nodes
.Words	Words
.Map	Map
.Deep	Deep
list	Nodes	Node
list	Words	Short
map	Map	string	string
map	Deep	string	Node
string	Short	min=1	max=3	pattern=[a-z]*
`

func nodeShape() *shape { return NewService("x", nodeTable).bind("Node", reflect.TypeFor[node]()) }

// FuzzJSON holds the decoder against encoding/json and against its own encoder.
func FuzzJSON(f *testing.F) {
	f.Add(`{"S":"a\u00fc\ud83d\ude00\n","B":true,"I":-3,"L":9007199254740993,"F":1.5e3,"T":1700000000.123,"Blob":"AAE=","Next":{"Next":null},"Nodes":[{},{"S":""}],"Words":[],"Map":{"k":"v"},"Deep":{"a":{}}}`)
	f.Add(`{"x":[{"y":[1,2,{"z":null}]}],"S":"\\\"/"}`)
	f.Add(`{"I":1e2,"F":-0,"I":2}`)
	s := nodeShape()
	f.Fuzz(func(t *testing.T, text string) {
		var n node
		if err := readJSON([]byte(text), s, reflect.ValueOf(&n).Elem()); err != nil {
			return
		}
		validate(s, reflect.ValueOf(&n).Elem())
		if strings.TrimSpace(text) != "" && !json.Valid([]byte(text)) {
			t.Fatalf("accepted what is no JSON: %q", text)
		}
		out := appendJSON(nil, s, reflect.ValueOf(&n), "")
		if !json.Valid(out) {
			t.Fatalf("wrote what is no JSON: %q", out)
		}
		var again node
		if err := readJSON(out, s, reflect.ValueOf(&again).Elem()); err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		if !reflect.DeepEqual(n, again) {
			t.Fatalf("%q became %q", text, out)
		}
	})
}

// FuzzText holds strings against encoding/json.
func FuzzText(f *testing.F) {
	f.Add("\"a\\u0000\\ud800x\\uDBFF\\uDFFF\\/\xff\"")
	f.Fuzz(func(t *testing.T, in string) {
		var want string
		if json.Unmarshal([]byte(in), &want) != nil {
			return
		}
		if in = strings.TrimSpace(in); in == "null" {
			return
		}
		r := &jsonReader{b: []byte(in)}
		raw, plain, err := r.token()
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if got := text(raw, plain); got != want {
			t.Fatalf("%q: got %q, want %q", in, got, want)
		}
		var back string
		if err := json.Unmarshal(appendString(nil, want), &back); err != nil || back != want {
			t.Fatalf("%q: wrote %q: %v", want, appendString(nil, want), err)
		}
	})
}

// FuzzForm looks for panics and for lists that are not in order.
func FuzzForm(f *testing.F) {
	f.Add("S=a&Words.member.2=b&Words.member.1=a&Nodes.member.1.S=x&Map.entry.1.key=k&Map.entry.1.value=v")
	f.Add("Next.Next.Next.S=%41&Words=&T=2026-01-01T00:00:00Z&Blob=AA==&I=x")
	s := nodeShape()
	f.Fuzz(func(t *testing.T, body string) {
		form, err := parseForm(body)
		if err != nil {
			return
		}
		for _, p := range []protocol{query, ec2Query} {
			var n node
			v := reflect.ValueOf(&n).Elem()
			if err := (formReader{p}).structure(form, s, v); err != nil {
				continue
			}
			validate(s, v)
			w := &xmlWriter{protocol: p}
			w.members(s, v)
			if !utf8.Valid(w.b) {
				t.Fatalf("no UTF-8: %q", w.b)
			}
		}
	})
}

// FuzzPath wants a match to give back what the path holds.
func FuzzPath(f *testing.F) {
	root := &route{}
	for _, uri := range []string{"/a/{One}", "/a/{One}/b", "/a/fixed/b", "/g/{Rest+}", "/a/{One}/c/{Two}"} {
		root.add("GET", uri, &entry{name: uri})
	}
	f.Add("/a/x%2Fy/b")
	f.Add("/g/x/y//z")
	f.Add("/a//b")
	f.Fuzz(func(t *testing.T, path string) {
		e, params := root.find("GET", path, "")
		if e == nil {
			return
		}
		if want := strings.Count(e.name, "{"); len(params) != want {
			t.Fatalf("%q matched %s with %v", path, e.name, params)
		}
		for _, p := range params {
			if p.value == "" && p.name != "Rest" {
				t.Fatalf("%q matched %s with %v", path, e.name, params)
			}
		}
	})
}

func TestValidationReachesIntoRecursion(t *testing.T) {
	n := node{Next: &node{Deep: map[string]node{"d": {Nodes: []node{{Words: []string{"ok", "Bad"}}}}}}}
	found := validate(nodeShape(), reflect.ValueOf(&n).Elem())
	want := "1 validation error detected: Value '[ok, Bad]' at 'next.deep.d.member.nodes.1.member.words' failed to satisfy constraint: Member must satisfy constraint: " +
		"[Member must have length less than or equal to 3, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [a-z]*, Member must not be null]"
	if len(found) != 1 || refusal(found) != want {
		t.Errorf("got %v", found)
	}
}

// FuzzCBOR wants what is read to be written and read the same again, and the
// library to agree on what is CBOR.
func FuzzCBOR(f *testing.F) {
	at, text := time.UnixMilli(1700000000123).UTC(), "a"
	full := node{S: &text, B: new(true), I: new(int32(-3)), L: new(int64(1) << 60), F: new(1.5), T: &at, Blob: []byte{1}, Next: &node{},
		Nodes: []node{{}}, Words: []string{""}, Map: map[string]string{"k": "v"}, Deep: map[string]node{"d": {}}}
	s := nodeShape()
	f.Add(appendCBOR(nil, s, reflect.ValueOf(&full)))
	f.Add([]byte("\xbf\x61S\x7f\x61a\x61b\xff\x65Words\x9f\x61x\xff\xff"))
	f.Add([]byte("\xa3\x61F\xf9\x3c\x00\x61T\xc1\x1a\x65\x53\xf1\x00\x61S\xf6"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var n node
		if err := readCBOR(body, s, reflect.ValueOf(&n).Elem()); err != nil || n.F != nil && *n.F != *n.F {
			return // NaN is never the same
		}
		if len(body) > 0 && cbor.Wellformed(body) != nil {
			t.Fatalf("accepted what is no CBOR: %x", body)
		}
		out := appendCBOR(nil, s, reflect.ValueOf(&n))
		if err := cbor.Wellformed(out); err != nil {
			t.Fatalf("wrote what is no CBOR: %x: %v", out, err)
		}
		var again node
		if err := readCBOR(out, s, reflect.ValueOf(&again).Elem()); err != nil {
			t.Fatalf("%v: %x", err, out)
		}
		if fmt.Sprint(appendCBOR(nil, s, reflect.ValueOf(&again))) != fmt.Sprint(out) {
			t.Fatalf("%x became %x", body, out)
		}
	})
}
