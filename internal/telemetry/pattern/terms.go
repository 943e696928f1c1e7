package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// term is one word, phrase or regular expression with its sign.
type term struct {
	sign byte // 0: must occur, '?': one of these must, '-': must not
	text string
	re   *regexp.Regexp
}

func (t term) in(message string) bool {
	if t.re != nil {
		return t.re.MatchString(message)
	}
	return strings.Contains(message, t.text)
}

// parseTerms reads "a "b c" ?d -e %f%".
//
// AWS ignores the ? terms when others stand beside them ("Matching terms": any
// term), so an optional term decides only where all are optional.
func parseTerms(text string) (func(string) bool, error) {
	var required, optional, excluded []term
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		t, rest, err := nextTerm(text)
		if err != nil {
			return nil, err
		}
		text = rest
		switch t.sign {
		case '?':
			optional = append(optional, t)
		case '-':
			excluded = append(excluded, t)
		default:
			required = append(required, t)
		}
	}
	if len(required)+len(excluded) > 0 {
		optional = nil
	}
	return func(message string) bool {
		return all(required, message) && !some(excluded, message) && (len(optional) == 0 || some(optional, message))
	}, nil
}

func all(terms []term, message string) bool {
	for _, t := range terms {
		if !t.in(message) {
			return false
		}
	}
	return true
}

func some(terms []term, message string) bool {
	for _, t := range terms {
		if t.in(message) {
			return true
		}
	}
	return false
}

func nextTerm(text string) (t term, rest string, err error) {
	if text[0] == '?' || text[0] == '-' {
		t.sign, text = text[0], text[1:]
	}
	if text == "" || isSpace(text[0]) {
		return t, "", fmt.Errorf("nothing follows %q", t.sign)
	}
	switch text[0] {
	case '"':
		end := closing(text[1:], '"')
		if end < 0 {
			return t, "", errors.New("a quote is not closed")
		}
		t.text = unescape(text[1 : 1+end])
		return t, text[end+2:], nil
	case '%':
		end := closing(text[1:], '%')
		if end < 0 {
			return t, "", errors.New("a regular expression is not closed")
		}
		t.re, err = compileRegexp(text[1 : 1+end])
		return t, text[end+2:], err
	}
	end := strings.IndexFunc(text, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	if end < 0 {
		end = len(text)
	}
	if i := strings.IndexAny(text[:end], `"{}[]()`); i >= 0 {
		return t, "", fmt.Errorf("invalid character(s) in term '%s'", text[:end])
	}
	t.text = text[:end]
	return t, text[end:], nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
