package watch

import (
	"strings"
	"testing"
)

func TestDecoder(t *testing.T) {
	var d Decoder
	var got []string
	long := strings.Repeat("x", MaxLine+1)
	for _, part := range []string{`{"kind":"sta`, "rt\",\"requestId\":\"a\"}\nnoise\n{}\n", `{"kind":"end","detail":{"heap":7}}` + "\n{", `"kind":"file","detail":{"op":"write"}}` + "\n", long, "rest\n" + `{"kind":"pause"}` + "\n"} {
		for _, r := range d.Decode([]byte(part)) {
			got = append(got, string(r.Kind)+r.RequestID+r.Detail.Op)
		}
	}
	if all := strings.Join(got, " "); all != "starta end filewrite pause" {
		t.Errorf("records: %s", all)
	}
	if d.Bad != 3 {
		t.Errorf("%d lines were bad, want 3: no JSON, no kind, too long", d.Bad)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(`{"kind":"start"}`+"\n"), 3)
	f.Add([]byte("\n\n{]\n"), 1)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		var whole, parts Decoder
		a := len(whole.Decode(data))
		cut = min(max(cut, 0), len(data))
		b := len(parts.Decode(data[:cut])) + len(parts.Decode(data[cut:]))
		if len(data) <= MaxLine && (a != b || whole.Bad != parts.Bad) {
			t.Errorf("%d records at once and %d in parts", a, b)
		}
	})
}
