package pattern

import (
	"errors"
	"fmt"
	"strings"
)

// field is one place of a space-delimited pattern; a nil condition takes anything.
type field struct{ is condition }

// parseFields reads [ip, user, ..., status = 4* || status = 5*, bytes > 1000].
func parseFields(text string) (func(string) bool, error) {
	p := &parser{rest: text[1:], selector: fieldSelector}
	var fields []field
	gap := -1 // index of the "..."
	for {
		switch {
		case p.accept("..."):
			if gap >= 0 {
				return nil, errors.New("only one ellipsis is allowed")
			}
			gap = len(fields)
		default:
			f, err := p.field()
			if err != nil {
				return nil, err
			}
			fields = append(fields, f)
		}
		if p.accept(",") {
			continue
		}
		if !p.accept("]") {
			return nil, errors.New("a bracket is not closed")
		}
		if p.skip(); p.rest != "" {
			return nil, errors.New("text follows the closing bracket")
		}
		break
	}
	return func(message string) bool { return matchFields(fields, gap, splitFields(message)) }, nil
}

// field reads a name, or a condition about it.
func (p *parser) field() (field, error) {
	p.skip()
	before := p.rest
	if _, err := fieldSelector(p); err == nil {
		if p.skip(); p.rest != "" && (p.rest[0] == ',' || p.rest[0] == ']') {
			return field{}, nil
		}
	} else if p.rest != "" && (p.rest[0] == ',' || p.rest[0] == ']') {
		return field{}, nil // unnamed
	}
	p.rest = before
	c, err := p.or()
	return field{c}, err
}

func fieldSelector(p *parser) (string, error) {
	p.skip()
	end := 0
	for end < len(p.rest) && (isWord(p.rest[end]) || p.rest[end] == '-' || p.rest[end] == '.' || p.rest[end] == '$') {
		end++
	}
	if end == 0 {
		return "", fmt.Errorf("a field name is missing before %q", p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name, nil
}

// word is one field of a message; every name inside its condition means it.
type word string

func (w word) lookup(string) (any, bool) {
	if parseNumber(string(w)) != nil {
		return number(w), true
	}
	return string(w), true
}

func matchFields(fields []field, gap int, words []string) bool {
	if gap < 0 && len(words) != len(fields) || len(words) < len(fields) {
		return false
	}
	skipped := len(words) - len(fields)
	for i, f := range fields {
		if gap >= 0 && i >= gap {
			i += skipped
		}
		if f.is != nil && !f.is(word(words[i])) {
			return false
		}
	}
	return true
}

// splitFields cuts a message at spaces; what stands in quotes or brackets is one
// field, without them.
func splitFields(message string) []string {
	var words []string
	for message = strings.TrimSpace(message); message != ""; message = strings.TrimSpace(message) {
		end, closed := -1, 0
		switch message[0] {
		case '"':
			end, closed = closing(message[1:], '"'), 1
		case '[':
			end, closed = strings.IndexByte(message[1:], ']'), 1
		}
		if end < 0 {
			closed = 0
			if end = strings.IndexAny(message, " \t\r\n"); end < 0 {
				end = len(message)
			}
		}
		words = append(words, message[closed:closed+end])
		message = message[min(len(message), end+2*closed):]
	}
	return words
}
