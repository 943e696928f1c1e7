package ec2

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "a", true}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true},
		{"a*c", "abcd", false}, {"?", "a", true}, {"?", "", false}, {`\*`, "*", true}, {`\*`, "a", false}, {`a\?b`, "a?b", true},
		{"*a*b*", "xxaxxbxx", true}, {"m5.*", "m5.large", true}, {"m5.*", "m5d.large", false}, {`x\`, `x\`, true},
		{strings.Repeat("*a", 100), strings.Repeat("a", 99) + "b", false},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
}

// FuzzGlob compares with the same pattern as a regular expression.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add(`\*?*`, "*ab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		for _, c := range pattern + text {
			if c > 127 {
				t.Skip("bytes only")
			}
		}
		if got, want := glob(pattern, text), oracle(pattern).MatchString(text); got != want {
			t.Errorf("glob(%q, %q) = %v", pattern, text, got)
		}
	})
}

func oracle(pattern string) *regexp.Regexp {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteString(".")
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return regexp.MustCompile(`(?s)\A` + b.String() + `\z`)
}
