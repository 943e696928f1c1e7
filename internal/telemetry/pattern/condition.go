package pattern

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// source gives a condition the values it asks about, by selector.
type source interface {
	// lookup is the value (string, json number as number, bool, nil for null)
	// and whether there is one.
	lookup(selector string) (value any, exists bool)
}

// number is a numeric value with its own spelling.
type number string

// condition is a node of a parsed expression.
type condition func(source) bool

// parser reads the expressions inside braces and brackets:
//
//	or   = and { "||" and }
//	and  = one { "&&" one }
//	one  = "(" or ")" | selector comparison
type parser struct {
	rest     string
	depth    int
	selector func(*parser) (string, error)
}

func (p *parser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// accept takes token if it comes next.
func (p *parser) accept(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) or() (condition, error) {
	return p.chain("||", p.and, func(a, b condition) condition {
		return func(s source) bool { return a(s) || b(s) }
	})
}

func (p *parser) and() (condition, error) {
	return p.chain("&&", p.one, func(a, b condition) condition {
		return func(s source) bool { return a(s) && b(s) }
	})
}

func (p *parser) chain(operator string, operand func() (condition, error), join func(a, b condition) condition) (condition, error) {
	left, err := operand()
	for err == nil && p.accept(operator) {
		var right condition
		if right, err = operand(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (p *parser) one() (condition, error) {
	if !p.accept("(") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("too many nested parentheses")
	}
	defer func() { p.depth-- }()
	c, err := p.or()
	if err == nil && !p.accept(")") {
		err = errors.New("a parenthesis is not closed")
	}
	return c, err
}

func (p *parser) comparison() (condition, error) {
	selector, err := p.selector(p)
	if err != nil {
		return nil, err
	}
	if c, ok := p.postfix(selector); ok {
		return c, nil
	}
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.accept(op) {
			return p.compare(selector, op)
		}
	}
	return nil, fmt.Errorf("no comparison after %q", selector)
}

// postfix reads IS NULL, IS TRUE, IS FALSE, NOT EXISTS and EXISTS.
func (p *parser) postfix(selector string) (condition, bool) {
	switch {
	case p.words("NOT", "EXISTS"):
		return func(s source) bool { _, ok := s.lookup(selector); return !ok }, true
	case p.words("EXISTS"):
		return func(s source) bool { _, ok := s.lookup(selector); return ok }, true
	case p.words("IS", "NULL"):
		return is(selector, nil), true
	case p.words("IS", "TRUE"):
		return is(selector, true), true
	case p.words("IS", "FALSE"):
		return is(selector, false), true
	}
	return nil, false
}

func is(selector string, want any) condition {
	return func(s source) bool {
		v, ok := s.lookup(selector)
		return ok && comparable(v) && v == want
	}
}

// comparable keeps objects and arrays, which Go can't compare, away from ==.
func comparable(v any) bool {
	switch v.(type) {
	case nil, bool, string, number:
		return true
	}
	return false
}

// words takes the given words if they come next, in any case.
func (p *parser) words(words ...string) bool {
	before := p.rest
	for _, w := range words {
		p.skip()
		if len(p.rest) < len(w) || !strings.EqualFold(p.rest[:len(w)], w) || len(p.rest) > len(w) && isWord(p.rest[len(w)]) {
			p.rest = before
			return false
		}
		p.rest = p.rest[len(w):]
	}
	return true
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// compare reads the right side of an operator.
func (p *parser) compare(selector, op string) (condition, error) {
	v, err := p.operand()
	if err != nil {
		return nil, err
	}
	if op == "=" || op == "!=" {
		equal := op == "="
		return func(s source) bool {
			got, ok := s.lookup(selector)
			return ok && v.equals(got) == equal
		}, nil
	}
	if v.number == nil {
		return nil, fmt.Errorf("%s needs a number", op)
	}
	return func(s source) bool {
		got, _ := s.lookup(selector)
		n := toNumber(got)
		return n != nil && holds(op, n.Cmp(v.number))
	}, nil
}

func holds(op string, sign int) bool {
	switch op {
	case "<":
		return sign < 0
	case "<=":
		return sign <= 0
	case ">":
		return sign > 0
	}
	return sign >= 0
}

// operand is the right side of a comparison.
type operand struct {
	text   string
	parts  []string   // text around its asterisks; nil where it has none
	number *big.Float // where it is an unquoted number
	re     *regexp.Regexp
}

func (p *parser) operand() (operand, error) {
	p.skip()
	if p.rest == "" {
		return operand{}, errors.New("a value is missing")
	}
	switch p.rest[0] {
	case '"':
		end := closing(p.rest[1:], '"')
		if end < 0 {
			return operand{}, errors.New("a quote is not closed")
		}
		text := unescape(p.rest[1 : 1+end])
		p.rest = p.rest[end+2:]
		return textOperand(text), nil
	case '%':
		end := closing(p.rest[1:], '%')
		if end < 0 {
			return operand{}, errors.New("a regular expression is not closed")
		}
		re, err := compileRegexp(p.rest[1 : 1+end])
		p.rest = p.rest[end+2:]
		return operand{re: re}, err
	}
	end := strings.IndexAny(p.rest, " \t\r\n,&|(){}[]\"=<>!")
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		return operand{}, fmt.Errorf("a value is missing before %q", p.rest[:1])
	}
	o := textOperand(p.rest[:end])
	o.number = parseNumber(o.text)
	p.rest = p.rest[end:]
	return o, nil
}

func textOperand(text string) operand {
	o := operand{text: text}
	if strings.Contains(text, "*") {
		o.parts = strings.Split(text, "*")
	}
	return o
}

func (o operand) equals(v any) bool {
	text, ok := toText(v)
	switch {
	case !ok:
		// An object or array: only "*" asks for no more than that it is there.
		return o.text == "*"
	case o.re != nil:
		return o.re.MatchString(text)
	case o.number != nil:
		n := toNumber(v)
		return n != nil && n.Cmp(o.number) == 0
	case o.parts != nil:
		return wild(o.parts, text)
	}
	return text == o.text
}

// wild matches text against the parts between asterisks.
func wild(parts []string, text string) bool {
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, last)
}

func toText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case number:
		return string(v), true
	case bool:
		return strconv.FormatBool(v), true
	case nil:
		return "null", true
	}
	return "", false
}

func toNumber(v any) *big.Float {
	if n, ok := v.(number); ok {
		return parseNumber(string(n))
	}
	return nil
}

// parseNumber reads decimal numbers; huge exponents are none, as they would
// only cost time.
func parseNumber(text string) *big.Float {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_pPiInN") {
		return nil
	}
	if n, ok := new(big.Int).SetString(text, 10); ok { // keeps 64-bit ids exact
		return new(big.Float).SetInt(n)
	}
	return big.NewFloat(f)
}
