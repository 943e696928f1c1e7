package awsproto

import (
	"regexp"
	"strings"
)

// UncheckedPatterns lists the patterns of a service that can't be checked.
func UncheckedPatterns(s *Service) []string {
	var bad []string
	for _, lines := range s.read().shapes {
		_, p, ok := strings.Cut(lines[0], "\tpattern=")
		if _, known := lookaround[p]; !ok || known {
			continue
		}
		if _, err := regexp.Compile(translate(p)); err != nil {
			bad = append(bad, p)
		}
	}
	return bad
}

// MatchPattern holds a value against a model's pattern.
func MatchPattern(source, value string) bool { return compilePattern(source).match(value) }
