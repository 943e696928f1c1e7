package iam

import (
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// Request is what policies are asked about.
type Request struct {
	Action   string
	Resource string
	// Principals are the names of who asks, by kind ("AWS", "Service"); only
	// policies with principals look at them.
	Principals map[string][]string
	// Conditions are the values of condition keys; keys may have any case.
	Conditions map[string][]string
}

// Decision is what policies say together.
type Decision int

// The decisions; the zero one is that nothing allows.
const (
	ImplicitDeny Decision = iota
	Allow
	ExplicitDeny
)

// Evaluate asks documents that count together: a denial wins over everything,
// and what nothing allows is denied.
func Evaluate(docs []Document, r Request) Decision {
	r.Conditions = folded(r.Conditions)
	decision := ImplicitDeny
	for _, d := range docs {
		for _, s := range d.Statement {
			if decision == Allow && s.Effect == "Allow" || !s.applies(r, d.Version == version2012) {
				continue
			}
			if s.Effect == "Deny" {
				return ExplicitDeny
			}
			decision = Allow
		}
	}
	return decision
}

// Allowed says whether documents together allow an action on a resource.
func Allowed(docs []Document, action, resource string, conditions map[string][]string) bool {
	return Evaluate(docs, Request{Action: action, Resource: resource, Conditions: conditions}) == Allow
}

// Trusts says whether a trust policy lets one of the principals assume the role.
func (d Document) Trusts(principals, conditions map[string][]string) bool {
	return Evaluate([]Document{d}, Request{Action: "sts:AssumeRole", Principals: principals, Conditions: conditions}) == Allow
}

// PrincipalsOf are the names under which policies know a caller; role is the ARN
// of the role it has assumed, "" for none.
func PrincipalsOf(c lamina.Caller, role string) map[string][]string {
	names := []string{c.ARN, c.Account, "arn:aws:iam::" + c.Account + ":root"}
	if role != "" {
		names = append(names, role)
	}
	id, _, _ := strings.Cut(c.UserID, ":")
	return map[string][]string{"AWS": append(names, c.UserID, id)}
}

func folded(conditions map[string][]string) map[string][]string {
	out := make(map[string][]string, len(conditions))
	for k, v := range conditions {
		out[strings.ToLower(k)] = v
	}
	return out
}

// applies says whether a statement speaks of the request.
func (s Statement) applies(r Request, variables bool) bool {
	return s.matchesPrincipal(r) && s.matchesAction(r) && s.matchesResource(r, variables) && s.conditionsHold(r, variables)
}

func (s Statement) matchesPrincipal(r Request) bool {
	switch {
	case s.Principal != nil:
		return s.Principal.name(r.Principals)
	case s.NotPrincipal != nil:
		return !s.NotPrincipal.name(r.Principals)
	}
	return true
}

// name says whether one of the requester's names is among the principals.
func (p principals) name(names map[string][]string) bool {
	for kind, wanted := range p {
		if slices.Contains(wanted, "*") && (kind == "AWS" || len(names[kind]) > 0) {
			return true
		}
		if slices.ContainsFunc(names[kind], func(n string) bool { return slices.Contains(wanted, n) }) {
			return true
		}
	}
	return false
}

func (s Statement) matchesAction(r Request) bool {
	if s.Action != nil {
		return anyAction(s.Action, r.Action)
	}
	return !anyAction(s.NotAction, r.Action)
}

func anyAction(patterns texts, action string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return matchPattern(wildcards.Replace(strings.ToLower(p)), strings.ToLower(action))
	})
}

// matchesResource: trust policies name no resource, they mean their role.
func (s Statement) matchesResource(r Request, variables bool) bool {
	matches := func(p string) bool {
		pattern, ok := expand(p, true, variables, r.Conditions)
		return ok && matchPattern(pattern, r.Resource)
	}
	switch {
	case s.Resource != nil:
		return slices.ContainsFunc(s.Resource, matches)
	case s.NotResource != nil:
		return !slices.ContainsFunc(s.NotResource, matches)
	}
	return true
}

// conditionsHold wants every key of every operator.
func (s Statement) conditionsHold(r Request, variables bool) bool {
	for name, keys := range s.Condition {
		op, ok := operatorOf(name)
		if !ok {
			return false
		}
		for key, values := range keys {
			want := make([]string, 0, len(values))
			for _, v := range values {
				w, ok := expand(v, op.patterns, variables, r.Conditions)
				if !ok {
					return false
				}
				want = append(want, w)
			}
			if !op.holds(want, r.Conditions[strings.ToLower(key)]) {
				return false
			}
		}
	}
	return true
}
