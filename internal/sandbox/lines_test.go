package sandbox

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"lines", "a\n\nbc\n", []string{"a", "", "bc"}},
		{"no newline at the end", "a\nb", []string{"a", "b"}},
		{"longest", long[1:] + "\nb\n", []string{long[1:], "b"}},
		{"too long", long + "yz\nb\n", []string{long, "yz", "b"}},
		{"twice too long", long + long + "y", []string{long, long, "y"}},
	} {
		for name, r := range map[string]io.Reader{
			"whole":    strings.NewReader(tt.in),
			"half":     iotest.HalfReader(strings.NewReader(tt.in)),
			"data+err": iotest.DataErrReader(strings.NewReader(tt.in)),
		} {
			var got []string
			err := ReadLines(r, func(line []byte) { got = append(got, string(line)) })
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s, %s: %d lines, %v", tt.name, name, len(got), err)
			}
		}
	}
	var got []string
	err := ReadLines(io.MultiReader(strings.NewReader("a\nrest"), iotest.ErrReader(io.ErrClosedPipe)),
		func(line []byte) { got = append(got, string(line)) })
	if !errors.Is(err, io.ErrClosedPipe) || !slices.Equal(got, []string{"a", "rest"}) {
		t.Errorf("%q %v", got, err)
	}
}
