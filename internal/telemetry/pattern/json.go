package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseJSON reads { $.a.b[0] = "x*" && ($.n > 3 || $.m IS NULL) }. Messages that
// are not one JSON object or array never match.
func parseJSON(text string) (func(string) bool, error) {
	p := &parser{rest: text[1:], selector: jsonSelector}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.accept("}") {
		return nil, errors.New("a brace is not closed")
	}
	if p.skip(); p.rest != "" {
		return nil, errors.New("text follows the closing brace")
	}
	return func(message string) bool {
		d, ok := parseDocument(message)
		return ok && c(d)
	}, nil
}

// jsonSelector reads $.a.b[0]["c d"]; steps are checked when they are followed.
func jsonSelector(p *parser) (string, error) {
	p.skip()
	if !strings.HasPrefix(p.rest, "$") {
		return "", errors.New("a selector must begin with $")
	}
	end := 1
	for end < len(p.rest) {
		c := p.rest[end]
		if c == '[' {
			n := strings.IndexByte(p.rest[end:], ']')
			if n < 0 {
				return "", errors.New("a bracket is not closed")
			}
			end += n + 1
			continue
		}
		if strings.IndexByte(" \t\r\n=!<>()&|{}", c) >= 0 {
			break
		}
		end++
	}
	selector := p.rest[:end]
	p.rest = p.rest[end:]
	if _, err := steps(selector); err != nil {
		return "", err
	}
	return selector, nil
}

// steps takes a selector apart into property names and array indexes.
func steps(selector string) ([]any, error) {
	var path []any
	for rest := selector[1:]; rest != ""; {
		var step any
		var ok bool
		switch rest[0] {
		case '.':
			step, rest, ok = property(rest[1:])
		case '[':
			step, rest, ok = bracketed(rest[1:])
		}
		if !ok {
			return nil, fmt.Errorf("invalid selector %q", selector)
		}
		path = append(path, step)
	}
	return path, nil
}

func property(rest string) (any, string, bool) {
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	return rest[:end], rest[end:], end > 0
}

// everyElement is the step [*].
type everyElement struct{}

func bracketed(rest string) (any, string, bool) {
	inside, after, ok := strings.Cut(rest, "]")
	if !ok {
		return nil, "", false
	}
	if inside == "*" {
		return everyElement{}, after, true
	}
	if n := len(inside); n > 2 && (inside[0] == '"' || inside[0] == '\'') && inside[n-1] == inside[0] {
		return inside[1 : n-1], after, true
	}
	i, err := strconv.Atoi(inside)
	return i, after, err == nil && i >= 0
}

// document is a parsed message.
type document struct{ root any }

func parseDocument(message string) (document, bool) {
	text := strings.TrimSpace(message)
	if text == "" || text[0] != '{' && text[0] != '[' {
		return document{}, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var root any
	if d.Decode(&root) != nil || d.More() {
		return document{}, false
	}
	return document{root}, true
}

// lookup follows a selector. Of [*] the first element that has the rest counts.
func (d document) lookup(selector string) (any, bool) {
	path, _ := steps(selector) // was checked by Compile
	v, ok := follow(d.root, path)
	if n, isNumber := v.(json.Number); isNumber {
		v = number(n)
	}
	return v, ok
}

func follow(v any, path []any) (any, bool) {
	if len(path) == 0 {
		return v, true
	}
	switch step := path[0].(type) {
	case string:
		object, _ := v.(map[string]any)
		if next, ok := object[step]; ok {
			return follow(next, path[1:])
		}
	case int:
		if array, _ := v.([]any); step < len(array) {
			return follow(array[step], path[1:])
		}
	case everyElement:
		array, _ := v.([]any)
		for _, element := range array {
			if found, ok := follow(element, path[1:]); ok {
				return found, true
			}
		}
	}
	return nil, false
}
