package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Document is a policy: permissions, or with principals a role's trust.
type Document struct {
	Version   string     `json:"Version"`
	Statement statements `json:"Statement"`
}

// Statement is one rule of a policy.
type Statement struct {
	Sid          string                      `json:"Sid"`
	Effect       string                      `json:"Effect"`
	Principal    principals                  `json:"Principal"`
	NotPrincipal principals                  `json:"NotPrincipal"`
	Action       texts                       `json:"Action"`
	NotAction    texts                       `json:"NotAction"`
	Resource     texts                       `json:"Resource"`
	NotResource  texts                       `json:"NotResource"`
	Condition    map[string]map[string]texts `json:"Condition"`
}

// statements, texts and principals may stand alone or in a list.
type (
	statements []Statement
	texts      []string
	principals map[string]texts
)

// UnmarshalJSON takes one statement or a list.
func (s *statements) UnmarshalJSON(b []byte) error {
	var list []Statement
	if err := json.Unmarshal(b, &list); err == nil {
		*s = list
		return nil
	}
	var one Statement
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*s = statements{one}
	return nil
}

// UnmarshalJSON takes one scalar or a list of them.
func (t *texts) UnmarshalJSON(b []byte) error {
	var raw any
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	list, ok := raw.([]any)
	if !ok {
		list = []any{raw}
	}
	*t = make(texts, 0, len(list))
	for _, v := range list {
		switch v.(type) {
		case string, bool, float64:
			*t = append(*t, fmt.Sprint(v))
		default:
			return errors.New("a text is expected")
		}
	}
	return nil
}

// UnmarshalJSON takes "*" or kinds of principals.
func (p *principals) UnmarshalJSON(b []byte) error {
	var all string
	if err := json.Unmarshal(b, &all); err == nil {
		*p = principals{"AWS": {all}}
		return nil
	}
	var kinds map[string]texts
	if err := json.Unmarshal(b, &kinds); err != nil {
		return err
	}
	*p = kinds
	return nil
}

// maxDocument bounds a policy's size, as the largest quota does (IAM: 10,240
// characters of inline policies on a role).
const maxDocument = 20 << 10

// Parse reads a policy document.
func Parse(document string) (Document, error) {
	var d Document
	if len(document) > maxDocument {
		return d, errors.New("Policy document is too long.")
	}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return d, errors.New("This policy contains invalid Json")
	}
	if len(d.Statement) == 0 {
		return d, errors.New("Syntax errors in policy.")
	}
	for _, s := range d.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" {
			return d, errors.New("Syntax errors in policy.")
		}
		if len(s.Action) == 0 && len(s.NotAction) == 0 {
			return d, errors.New("Policy statement must contain actions.")
		}
	}
	return d, nil
}

// ParseTrust reads a role's trust policy.
func ParseTrust(document string) (Document, error) {
	d, err := Parse(document)
	if err != nil {
		return d, err
	}
	for _, s := range d.Statement {
		switch {
		case len(s.Principal) == 0 && len(s.NotPrincipal) == 0:
			return d, errors.New("Missing required field Principal")
		case len(s.Resource) > 0 || len(s.NotResource) > 0:
			return d, errors.New("Has prohibited field Resource")
		}
	}
	return d, nil
}

// ParsePermissions reads an identity policy.
func ParsePermissions(document string) (Document, error) {
	d, err := Parse(document)
	if err != nil {
		return d, err
	}
	for _, s := range d.Statement {
		switch {
		case len(s.Principal) > 0 || len(s.NotPrincipal) > 0:
			return d, errors.New("Policy document should not specify a principal.")
		case len(s.Resource) == 0 && len(s.NotResource) == 0:
			return d, errors.New("Policy statement must contain resources.")
		}
	}
	return d, nil
}

// Trusts says whether a trust policy lets a principal, such as the service
// lambda.amazonaws.com, take the action sts:AssumeRole.
func (d Document) Trusts(kind, principal string) bool {
	allowed := false
	for _, s := range d.Statement {
		if !matchesAny(s.Action, "sts:AssumeRole") && !matchesAny(s.Action, "sts:assumerole") {
			continue
		}
		if !slices.ContainsFunc(s.Principal[kind], func(p string) bool { return p == "*" || strings.EqualFold(p, principal) }) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

// Allowed says whether documents together permit an action somewhere; a denial
// wins. Conditions and resources are not weighed: what they narrow counts as
// permitted, what they deny counts as not denied. It answers "is this role meant
// for the job", not "may this call".
func Allowed(docs []Document, action string) bool {
	allowed := false
	for _, d := range docs {
		for _, s := range d.Statement {
			hit := matchesAny(s.Action, action) || (len(s.NotAction) > 0 && !matchesAny(s.NotAction, action))
			switch {
			case !hit:
			case s.Effect == "Deny" && len(s.Condition) == 0 && slices.Contains(s.Resource, "*"):
				return false
			case s.Effect == "Allow":
				allowed = true
			}
		}
	}
	return allowed
}

func matchesAny(patterns texts, action string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return wildcard(strings.ToLower(p), strings.ToLower(action)) })
}

// wildcard matches * and ? without backtracking more than one star.
func wildcard(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
