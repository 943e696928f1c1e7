package iam

import "strings"

// Wildcards are private characters once a pattern is prepared, so that a star
// that a variable brings along is an ordinary one.
const anyRun, anyOne = '\x00', '\x01'

var wildcards = strings.NewReplacer("*", string(anyRun), "?", string(anyOne), "\x00", "", "\x01", "")

// expand prepares a policy's text: wildcards are marked where patterns are
// allowed, and variables (of documents of 2012) replaced. ok is false when a
// variable has no value, which makes a statement not apply.
func expand(text string, patterns, variables bool, context map[string][]string) (out string, ok bool) {
	if patterns {
		text = wildcards.Replace(text)
	}
	if !variables || !strings.Contains(text, "${") {
		return text, true
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String(), true
		}
		value, ok := variable(name, context)
		if !ok {
			return "", false
		}
		b.WriteString(value)
		text = after
	}
}

// variable is the value of ${name} or ${name, 'default'}; ${*}, ${?} and ${$}
// stand for the characters themselves.
func variable(name string, context map[string][]string) (string, bool) {
	switch name {
	case string(anyRun), "*":
		return "*", true
	case string(anyOne), "?":
		return "?", true
	case "$":
		return "$", true
	}
	key, standard, hasDefault := strings.Cut(name, ",")
	if values := context[strings.ToLower(strings.TrimSpace(key))]; len(values) == 1 {
		return values[0], true
	}
	standard = strings.TrimSpace(standard)
	if hasDefault && len(standard) >= 2 && standard[0] == '\'' && standard[len(standard)-1] == '\'' {
		return standard[1 : len(standard)-1], true
	}
	return "", false
}

// matchPattern matches a prepared pattern in time linear in s for each run of
// wildcards: only the last one is ever tried again.
func matchPattern(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == anyRun:
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == anyOne || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], string(anyRun)) == ""
}
