package cloudwatch

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
)

// amount is a value of metric math: a number, a series, or several.
type amount struct {
	number  float64
	series  []series // nil: a number
	several bool
}

// calculation are the queries of one request, of which expressions speak.
type calculation struct {
	in     *model.GetMetricDataInput
	metric func(model.MetricDataQuery) series
	done   map[string]amount
	begun  map[string]bool // to find expressions that need themselves
	points int             // that expressions gave so far
}

// mostCalculated bounds what the expressions of one request may give (chosen).
const mostCalculated = 20 * mostDatapoints

// spend counts points, before they are there where they may be too many.
func (c *calculation) spend(n int) error {
	if c.points += n; n < 0 || c.points > mostCalculated {
		return fmt.Errorf("the expressions of a request may give %d points. Choose longer periods or fewer metrics", mostCalculated)
	}
	return nil
}

// value is a query's, by its id.
func (c *calculation) value(id string) (amount, error) {
	if a, ok := c.done[id]; ok {
		return a, nil
	}
	for _, q := range c.in.MetricDataQueries {
		if *q.Id != id {
			continue
		}
		if q.Expression == nil {
			c.done[id] = amount{series: []series{c.metric(q)}}
			return c.done[id], nil
		}
		if c.begun[id] {
			return amount{}, fmt.Errorf("%s needs its own value", id)
		}
		c.begun[id] = true
		e := expression{calculation: c, rest: *q.Expression}
		a, err := e.whole()
		for _, l := range a.series {
			err = errors.Join(err, c.spend(len(l.values)))
		}
		if err != nil {
			return amount{}, errExpression(id, err)
		}
		c.done[id] = a
		return a, nil
	}
	return amount{}, fmt.Errorf("no metric or expression has the id %s", id)
}

// metrics are the metrics of the request whose id has a text in it.
func (c *calculation) metrics(text string) (amount, error) {
	a := amount{series: []series{}, several: true}
	for _, q := range c.in.MetricDataQueries {
		if q.Expression != nil || !strings.Contains(*q.Id, text) {
			continue
		}
		m, err := c.value(*q.Id)
		if err != nil {
			return a, err
		}
		a.series = append(a.series, m.series...)
	}
	return a, nil
}

// errExpression is AWS's wording of the beginning; the rest is chosen.
func errExpression(id string, err error) error {
	if already, ok := errors.AsType[*lamina.Error](err); ok {
		return already
	}
	return lamina.Errorf(codeValidation, "Error in expression '%s': %v", id, err)
}

// expression is one that is being read. Of AWS's metric math it knows + - * / ^,
// parentheses, numbers, ids and the functions below.
type expression struct {
	*calculation
	rest  string
	depth int
}

// deepest is how many parentheses may stand in each other (chosen).
const deepest = 50

func (e *expression) whole() (amount, error) {
	a, err := e.sum()
	if err == nil && e.peek() != 0 {
		err = fmt.Errorf("unexpected %q", e.rest)
	}
	return a, err
}

// peek is the next character that is no space, 0 at the end.
func (e *expression) peek() byte {
	if e.rest = strings.TrimLeft(e.rest, " \t\r\n"); e.rest == "" {
		return 0
	}
	return e.rest[0]
}

// take goes past a character if it is next.
func (e *expression) take(c byte) bool {
	if e.peek() != c {
		return false
	}
	e.rest = e.rest[1:]
	return true
}

// chain reads operands with operators of one rank between them, from the left.
func (e *expression) chain(operators string, operand func() (amount, error)) (amount, error) {
	a, err := operand()
	for err == nil {
		c := e.peek()
		if c == 0 || !strings.ContainsRune(operators, rune(c)) {
			return a, nil
		}
		e.rest = e.rest[1:]
		var b amount
		if b, err = operand(); err == nil {
			a, err = combine(a, b, operations[c])
		}
	}
	return a, err
}

var operations = map[byte]func(a, b float64) float64{
	'+': func(a, b float64) float64 { return a + b },
	'-': func(a, b float64) float64 { return a - b },
	'*': func(a, b float64) float64 { return a * b },
	'/': func(a, b float64) float64 { return a / b },
	'^': math.Pow,
}

func (e *expression) sum() (amount, error) { return e.chain("+-", e.product) }

func (e *expression) product() (amount, error) { return e.chain("*/", e.sign) }

func (e *expression) sign() (amount, error) {
	if e.take('-') {
		a, err := e.power()
		return a.each(func(v float64) float64 { return -v }), err
	}
	return e.power()
}

func (e *expression) power() (amount, error) { return e.chain("^", e.term) }

// term is a number, an id, a function's value or what stands in parentheses.
func (e *expression) term() (amount, error) {
	if e.depth++; e.depth > deepest {
		return amount{}, fmt.Errorf("more than %d parentheses in each other", deepest)
	}
	defer func() { e.depth-- }()
	if e.take('(') {
		a, err := e.sum()
		return a, e.closed(err)
	}
	word := e.word()
	switch {
	case word == "":
		return amount{}, fmt.Errorf("a metric, a number or a function is missing before %q", e.rest)
	case word[0] >= '0' && word[0] <= '9' || word[0] == '.':
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return amount{}, fmt.Errorf("%s is no number", word)
		}
		return amount{number: n}, nil
	case e.take('('):
		a, err := e.function(strings.ToUpper(word))
		return a, e.closed(err)
	}
	return e.value(word)
}

// word is what reads as a number or a name.
func (e *expression) word() string {
	e.peek()
	n := strings.IndexFunc(e.rest, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '.')
	})
	if n < 0 {
		n = len(e.rest)
	}
	word := e.rest[:n]
	e.rest = e.rest[n:]
	return word
}

func (e *expression) closed(err error) error {
	if err == nil && !e.take(')') {
		return fmt.Errorf("a parenthesis is not closed before %q", e.rest)
	}
	return err
}

// function reads a function's arguments and gives its value.
func (e *expression) function(name string) (amount, error) {
	if name == "METRICS" {
		text, err := e.text()
		if err != nil {
			return amount{}, err
		}
		return e.metrics(text)
	}
	known := single[name] != nil || folds[name] != nil || name == "FILL" || name == "PERIOD" || name == "METRIC_COUNT"
	if !known {
		return amount{}, fmt.Errorf("%s is no function that Lamina knows. Ask for the metrics themselves and calculate from these", name)
	}
	a, err := e.sum()
	switch {
	case err != nil:
		return a, err
	case single[name] != nil:
		return a.each(single[name]), nil
	case folds[name] != nil:
		return a.fold(folds[name]), nil
	case name == "METRIC_COUNT" && a.several:
		return amount{number: float64(len(a.series))}, nil
	case name == "PERIOD" && len(a.series) == 1:
		return amount{number: a.series[0].period.Seconds()}, nil
	case name == "FILL" && a.series != nil:
		return e.fill(a)
	}
	return a, fmt.Errorf("%s does not take such a value", name)
}

// text reads an argument in quotes, which may be missing.
func (e *expression) text() (string, error) {
	quote := e.peek()
	if quote != '"' && quote != '\'' {
		return "", nil
	}
	text, rest, ok := strings.Cut(e.rest[1:], string(quote))
	if !ok {
		return "", fmt.Errorf("a quotation mark is not closed before %q", e.rest)
	}
	e.rest = rest
	return text, nil
}

// fill reads what gaps are to be filled with: REPEAT, LINEAR, or a number.
func (e *expression) fill(a amount) (amount, error) {
	if !e.take(',') {
		return a, fmt.Errorf("FILL wants a second value: a number, REPEAT or LINEAR")
	}
	before := e.rest
	word := e.word()
	var with amount
	if word != "REPEAT" && word != "LINEAR" {
		e.rest = before
		var err error
		if with, err = e.sum(); err != nil {
			return a, err
		}
		if with.series != nil {
			return a, errors.New("FILL fills with a number, REPEAT or LINEAR")
		}
	}
	out := amount{series: []series{}, several: a.several}
	for _, l := range a.series {
		if l.period > 0 {
			if err := e.spend(int(e.in.EndTime.Sub(*e.in.StartTime) / l.period)); err != nil {
				return a, err
			}
		}
		how := l.constant(with.number)
		switch word {
		case "REPEAT":
			how = l.repeated
		case "LINEAR":
			how = l.between
		}
		out.series = append(out.series, l.filled(*e.in.StartTime, *e.in.EndTime, how))
	}
	return out, nil
}

// single are the functions of each value.
var single = map[string]func(float64) float64{"ABS": math.Abs, "CEIL": math.Ceil, "FLOOR": math.Floor}

// folds are the functions of many values.
var folds = map[string]func([]float64) float64{"SUM": sumOf, "AVG": average, "MIN": lowest, "MAX": highest}

// fold makes one series of several, and a number of one.
func (a amount) fold(f func([]float64) float64) amount {
	switch {
	case a.several:
		return amount{series: []series{across(a.series, f)}}
	case a.series == nil:
		return a
	}
	return amount{number: f(a.series[0].values)}
}

func (a amount) each(f func(float64) float64) amount {
	if a.series == nil {
		return amount{number: f(a.number)}
	}
	out := amount{series: []series{}, several: a.several}
	for _, l := range a.series {
		out.series = append(out.series, l.each(f))
	}
	return out
}

// combine calculates with two values: a number or a series goes with each of several.
func combine(a, b amount, f func(a, b float64) float64) (amount, error) {
	switch {
	case b.series == nil:
		return a.each(func(v float64) float64 { return f(v, b.number) }), nil
	case a.series == nil:
		return b.each(func(v float64) float64 { return f(a.number, v) }), nil
	case a.several && b.several:
		return a, fmt.Errorf("several metrics can't be calculated with several others")
	}
	out := amount{series: []series{}, several: a.several || b.several}
	for _, l := range a.series {
		for _, o := range b.series {
			both := l.with(o, f)
			if b.several {
				both.label = o.label
			}
			out.series = append(out.series, both)
		}
	}
	return out, nil
}
