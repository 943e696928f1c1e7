// Package pattern parses and matches CloudWatch Logs filter patterns: terms and
// phrases, JSON conditions in braces, space-delimited fields in brackets.
//
// It follows AWS's "Filter pattern syntax" page. Terms, phrases, wildcards and
// comparisons are case-sensitive.
package pattern

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/lamina-dev/lamina"
)

const (
	codeInvalidParameter = "InvalidParameterException"

	// maxDepth bounds nested parentheses (chosen).
	maxDepth = 32
)

// Pattern is a parsed filter pattern.
type Pattern struct{ match func(message string) bool }

// Match says whether a message is one that the pattern asks for.
func (p *Pattern) Match(message string) bool { return p.match(message) }

// Compile parses a pattern. The empty one matches everything; one that can't be
// parsed is the caller's InvalidParameterException.
func Compile(pattern string) (*Pattern, error) {
	text := strings.TrimSpace(pattern)
	parse := parseTerms
	switch {
	case strings.HasPrefix(text, "{"):
		parse = parseJSON
	case strings.HasPrefix(text, "["):
		parse = parseFields
	}
	match, err := parse(text)
	if err != nil {
		return nil, &lamina.Error{Code: codeInvalidParameter, Message: "Invalid filter pattern: " + err.Error()}
	}
	return &Pattern{match}, nil
}

// compileRegexp parses what stands between two percent signs.
func compileRegexp(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %%%s%%", text)
	}
	return re, nil
}

// closing finds the quote that ends text, which begins after the opening one;
// a backslash protects the character behind it.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i
		}
	}
	return -1
}

// unescape takes the backslashes off quotes and backslashes.
func unescape(text string) string {
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(text)
}
