package ec2

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
)

// fields maps the names of filters to the values a resource has for them.
type fields[T any] map[string]func(T) []string

// matches says whether an item passes all filters: each by any one of its
// values, in which * and ? are wildcards.
func (fs fields[T]) matches(filters []model.Filter, item T, tags lamina.Tags) (bool, error) {
	for _, f := range filters {
		values, err := fs.values(val(f.Name), item, tags)
		if err != nil {
			return false, err
		}
		if !anyMatch(f.Values, values) {
			return false, nil
		}
	}
	return true, nil
}

func (fs fields[T]) values(name string, item T, tags lamina.Tags) ([]string, error) {
	if get, ok := fs[name]; ok {
		return get(item), nil
	}
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if v, ok := tags[key]; ok {
			return []string{v}, nil
		}
		return nil, nil
	}
	switch name {
	case "tag-key":
		return sortedKeys(tags), nil
	case "tag-value":
		return tagValues(tags), nil
	}
	return nil, lamina.Errorf("InvalidParameterValue", "The filter '%s' is invalid", name)
}

// check refuses filters that no resource of this kind has.
func (fs fields[T]) check(filters []model.Filter) error {
	var zero T
	for _, f := range filters {
		if _, known := fs[val(f.Name)]; known {
			continue
		}
		if _, err := fields[T](nil).values(val(f.Name), zero, nil); err != nil {
			return err
		}
	}
	return nil
}

func anyMatch(patterns, values []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return glob(p, v) })
	})
}

// glob matches text against a pattern of * (any text), ? (any character) and \
// (takes the next character literally), in time linear in their product.
func glob(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
			continue
		case p < len(pattern) && one(pattern[p:], text[t]):
			p += width(pattern[p:])
			t++
			continue
		case star < 0:
			return false
		}
		p, mark = star+1, mark+1
		t = mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// one says whether the pattern's first element fits the character.
func one(pattern string, c byte) bool {
	if pattern[0] == '\\' && len(pattern) > 1 {
		return pattern[1] == c
	}
	return pattern[0] == '?' || pattern[0] == c
}

// width is the length of the pattern's first element.
func width(pattern string) int {
	if pattern[0] == '\\' && len(pattern) > 1 {
		return 2
	}
	return 1
}

// some is a list of the values that are not empty.
func some(values ...string) []string {
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

// yes is a list with one boolean.
func yes(b bool) []string { return []string{strconv.FormatBool(b)} }
