package lamina

import (
	"strings"
	"testing"
)

func TestLogStreamKeys(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{
		"a", "2026/11/24/[$LATEST]0123", strings.Repeat("x", 256), strings.Repeat("x", 257), strings.Repeat("x", 512),
		strings.Repeat("é", 512), strings.Repeat("é", 511), "a\x00", "a\x00\x00", "\x00",
	} {
		key := LogStream{Scope: Scope{Account: "000000000000", Region: "us-east-1"}, Group: "g", Name: name}.Key()
		if other, ok := seen[key]; ok {
			t.Errorf("%.20q and %.20q share the key %q", name, other, key)
		}
		seen[key] = name
		if len(key) > 300 || strings.Contains(key, "\x00") {
			t.Errorf("%.20q: key of %d bytes: %q", name, len(key), key)
		}
	}
}
