package mask

import (
	"regexp"
	"slices"
	"strings"
)

// Profile is what an event's answers have in common.
type Profile struct {
	Error   bool
	mixed   bool // some answers were errors, others not
	places  map[string]*place
	order   []string
	samples []Answer
}

// place is what is known of a path.
type place struct {
	tokens   []string
	masked   []bool // by token
	whole    bool   // the value as such is unstable
	optional bool   // some answers have no such path
	why      string
}

// Learn finds what all answers, of which there is at least one, have in common.
func Learn(answers ...Answer) *Profile {
	p := &Profile{Error: answers[0].Error, places: map[string]*place{}, samples: answers}
	for i, a := range answers {
		p.mixed = p.mixed || a.Error != p.Error
		seen := map[string]bool{}
		for _, l := range a.leaves {
			seen[l.path] = true
			p.learn(l, i > 0)
		}
		for path, at := range p.places {
			if !seen[path] {
				at.hide("not always there")
				at.optional = true
			}
		}
	}
	return p
}

func (p *Profile) learn(l leaf, later bool) {
	at := p.places[l.path]
	if at == nil {
		at = &place{tokens: l.tokens, masked: make([]bool, len(l.tokens))}
		p.places[l.path] = at
		p.order = append(p.order, l.path)
		if later {
			at.optional = true
			at.hide("not always there")
		}
		if isMeasure(l) {
			at.hide(measured)
		}
		for _, t := range l.tokens {
			if t == clock || t == ownRequestID {
				at.note(strings.Trim(t, "«»"))
			}
		}
		return
	}
	if at.whole {
		return
	}
	if len(at.tokens) != len(l.tokens) {
		at.hide("changes")
		return
	}
	for i, t := range l.tokens {
		if t != at.tokens[i] && !at.masked[i] {
			at.masked[i] = true
			at.note(looksLike(t))
		}
	}
}

// measured is why a place is hidden whose name says so.
const measured = "a measurement, by its name"

func (at *place) hide(why string) {
	if !at.whole {
		at.whole = true
		at.note(why)
	}
}

func (at *place) note(why string) {
	if !strings.Contains(at.why, why) {
		at.why = strings.TrimPrefix(at.why+", "+why, ", ")
	}
}

var (
	hexText    = regexp.MustCompile(`^[0-9a-fA-F]{4,}$`)
	numberText = regexp.MustCompile(`^-?[0-9.eE+]+$`)
)

// looksLike names a value that changes.
func looksLike(token string) string {
	switch {
	case token == "true" || token == "false":
		return "a flag that changes"
	case numberText.MatchString(token):
		return "a number that changes"
	case hexText.MatchString(token):
		return "an id"
	}
	return "random text"
}

// Masked lists what is not compared: path and why.
func (p *Profile) Masked() (list [][2]string) {
	for _, path := range p.order {
		if at := p.places[path]; at.why != "" {
			list = append(list, [2]string{path, at.why})
		}
	}
	return list
}

// Unsettled tells whether something changes that may be more than a clock, a
// measurement or a random value: then answers of fresh environments must show
// whether it changes by itself.
func (p *Profile) Unsettled() bool {
	if p.mixed {
		return true
	}
	for _, values := range p.Changes() {
		if !allRandom(values) {
			return true
		}
	}
	return false
}

// randomText is what no counter and no state looks like: an id.
var randomText = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,}|0\.\d{8,}`)

// changes tells that a place is none that is measured, and not always the same.
func (at *place) changes() bool {
	return at.whole && at.why != measured || slices.Contains(at.masked, true)
}

// allRandom tells that values are ids, and each another one.
func allRandom(values []string) bool {
	seen := map[string]bool{}
	for _, v := range values {
		if seen[v] || !randomText.MatchString(strings.ToLower(v)) {
			return false
		}
		seen[v] = true
	}
	return true
}

// Difference is where an answer is not as it was alone.
type Difference struct {
	Path, Want, Got string
}

// Compare gives what of an answer differs at stable places.
func (p *Profile) Compare(a Answer) (list []Difference) {
	if a.Error != p.Error && !p.mixed {
		return []Difference{{Path: "$", Want: p.samples[0].Text, Got: a.Text}}
	}
	if p.mixed {
		return nil
	}
	seen := map[string]bool{}
	for _, l := range a.leaves {
		seen[l.path] = true
		at := p.places[l.path]
		switch {
		case at == nil:
			if !p.open(l.path) {
				list = append(list, Difference{Path: l.path, Got: l.text()})
			}
		case !at.matches(l):
			list = append(list, Difference{Path: l.path, Want: strings.Join(at.tokens, ""), Got: l.text()})
		}
	}
	for _, path := range p.order {
		if at := p.places[path]; !seen[path] && !at.optional {
			list = append(list, Difference{Path: path, Want: strings.Join(at.tokens, "")})
		}
	}
	return list
}

func (at *place) matches(l leaf) bool {
	if at.whole {
		return true
	}
	if len(at.tokens) != len(l.tokens) {
		return at.matchesAround(l)
	}
	for i, t := range l.tokens {
		if t != at.tokens[i] && !at.masked[i] {
			return false
		}
	}
	return true
}

// matchesAround lets what changes have another number of tokens, and compares
// what stands before and behind it.
func (at *place) matchesAround(l leaf) bool {
	first := slices.Index(at.masked, true)
	if first < 0 {
		return false
	}
	behind := 0
	for i := len(at.masked) - 1; !at.masked[i]; i-- {
		behind++
	}
	return len(l.tokens) > first+behind && slices.Equal(l.tokens[:first], at.tokens[:first]) &&
		slices.Equal(l.tokens[len(l.tokens)-behind:], at.tokens[len(at.tokens)-behind:])
}

// open tells that a path may be new: its container has not always the same members.
func (p *Profile) open(path string) bool {
	parent := parentOf(path)
	for other, at := range p.places {
		if at.optional && (parentOf(other) == parent || other == parent || strings.HasPrefix(path, other)) {
			return true
		}
	}
	return parent != path && parent != "$" && p.open(parent)
}

func parentOf(path string) string {
	if i := strings.LastIndexAny(path, ".[→"); i > 0 {
		return path[:i]
	}
	return path
}

// Changes are the values that a path had in the samples, in their order; those
// of paths that never change are left out.
func (p *Profile) Changes() map[string][]string {
	all := map[string][]string{}
	for i, a := range p.samples {
		for _, l := range a.leaves {
			if at := p.places[l.path]; at.changes() {
				list := all[l.path]
				for len(list) < i {
					list = append(list, "")
				}
				all[l.path] = append(list, l.text())
			}
		}
	}
	for path, list := range all {
		for len(list) < len(p.samples) {
			list = append(list, "")
		}
		all[path] = list
	}
	return all
}

// Hide takes a path out of the comparison.
func (p *Profile) Hide(path, why string) {
	at := p.places[path]
	if at == nil {
		at = &place{optional: true}
		p.places[path] = at
		p.order = append(p.order, path)
	}
	at.hide(why)
	at.optional = true
}

// At is the stable value of a path; "" if there is none.
func (p *Profile) At(path string) string {
	at := p.places[path]
	if at == nil || at.whole || slices.Contains(at.masked, true) {
		return ""
	}
	return strings.Join(at.tokens, "")
}

// Words are those of the answers that never change.
func (p *Profile) Words() Words {
	w := Words{}
	for path, at := range p.places {
		if at.whole {
			continue
		}
		l := leaf{path: path}
		for i, t := range at.tokens {
			if !at.masked[i] {
				l.tokens = append(l.tokens, t)
			}
		}
		w.Add(Answer{leaves: []leaf{l}})
	}
	return w
}

// Example is one of the answers that it was learned from.
func (p *Profile) Example() string { return p.samples[0].Text }

// Samples are the answers that it was learned from.
func (p *Profile) Samples() []Answer { return slices.Clone(p.samples) }

// Hidden are the paths that are not compared as a whole, and why.
func (p *Profile) Hidden() (list [][2]string) {
	for _, path := range p.order {
		if at := p.places[path]; at.whole {
			list = append(list, [2]string{path, at.why})
		}
	}
	return list
}
