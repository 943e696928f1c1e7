package wire

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// What follows the first line is the environment's, to the last byte.
func FuzzReadDoorstep(f *testing.F) {
	var b bytes.Buffer
	if err := WriteDoorstep(&b, Doorstep{InstanceID: "i-1", Token: "secret", To: "127.0.0.1:4566"}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String() + "POST / HTTP/1.1\r\n")
	f.Add("\n")
	f.Add("{}\n{}\n")
	f.Add(strings.Repeat("x", 2*maxDoorstep))
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReaderSize(strings.NewReader(text), 4*maxDoorstep)
		_, err := ReadDoorstep(r)
		line, rest, ended := strings.Cut(text, "\n")
		if err != nil {
			return
		}
		if !ended || len(line) > maxDoorstep {
			t.Fatalf("%q is taken for a first line", line)
		}
		left := make([]byte, len(rest))
		if n, _ := r.Read(left); string(left[:n]) != rest[:n] || n == 0 && rest != "" {
			t.Errorf("%q is left of %q", left[:n], rest)
		}
	})
}
