package iam

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// operator is a condition operator taken apart.
type operator struct {
	matches  func(want, have string) bool
	negated  bool   // holds when nothing matches
	set      string // "", ForAllValues or ForAnyValue
	ifExists bool
	null     bool
	patterns bool // the wanted value may hold wildcards
}

// bases are the operators without prefix, negation and suffix.
var bases = map[string]operator{
	"StringEquals":              {matches: func(w, h string) bool { return w == h }},
	"StringNotEquals":           {matches: func(w, h string) bool { return w == h }, negated: true},
	"StringEqualsIgnoreCase":    {matches: strings.EqualFold},
	"StringNotEqualsIgnoreCase": {matches: strings.EqualFold, negated: true},
	"StringLike":                {matches: matchPattern, patterns: true},
	"StringNotLike":             {matches: matchPattern, patterns: true, negated: true},
	"NumericEquals":             {matches: numeric(func(c int) bool { return c == 0 })},
	"NumericNotEquals":          {matches: numeric(func(c int) bool { return c == 0 }), negated: true},
	"NumericLessThan":           {matches: numeric(func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":     {matches: numeric(func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":        {matches: numeric(func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals":  {matches: numeric(func(c int) bool { return c >= 0 })},
	"DateEquals":                {matches: date(func(c int) bool { return c == 0 })},
	"DateNotEquals":             {matches: date(func(c int) bool { return c == 0 }), negated: true},
	"DateLessThan":              {matches: date(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":        {matches: date(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":           {matches: date(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals":     {matches: date(func(c int) bool { return c >= 0 })},
	"Bool":                      {matches: strings.EqualFold},
	"BinaryEquals":              {matches: func(w, h string) bool { return w == h }},
	"IpAddress":                 {matches: inRange},
	"NotIpAddress":              {matches: inRange, negated: true},
	"ArnEquals":                 {matches: arnLike, patterns: true},
	"ArnLike":                   {matches: arnLike, patterns: true},
	"ArnNotEquals":              {matches: arnLike, patterns: true, negated: true},
	"ArnNotLike":                {matches: arnLike, patterns: true, negated: true},
	"Null":                      {null: true},
}

// operatorOf takes an operator's name apart; ok is false for one that IAM lacks.
func operatorOf(name string) (op operator, ok bool) {
	set, base, found := strings.Cut(name, ":")
	if !found {
		set, base = "", name
	} else if set != "ForAllValues" && set != "ForAnyValue" {
		return operator{}, false
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	op, ok = bases[base]
	op.set, op.ifExists = set, ifExists
	return op, ok && !(op.null && ifExists)
}

// holds compares the wanted values with those of the request; have is nil when
// the request has no such key.
func (op operator) holds(want, have []string) bool {
	if op.null {
		absent := strconv.FormatBool(have == nil)
		return slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, absent) })
	}
	if have == nil {
		return op.ifExists || op.set == "ForAllValues" || op.negated && op.set == ""
	}
	fits := func(h string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return op.matches(w, h) }) != op.negated
	}
	if op.set == "ForAllValues" || op.negated && op.set == "" {
		return !slices.ContainsFunc(have, func(h string) bool { return !fits(h) })
	}
	return slices.ContainsFunc(have, fits)
}

// numeric compares what the request has with what the policy wants.
func numeric(test func(c int) bool) func(want, have string) bool {
	return func(want, have string) bool {
		w, err := strconv.ParseFloat(want, 64)
		h, err2 := strconv.ParseFloat(have, 64)
		if err != nil || err2 != nil {
			return false
		}
		switch {
		case h < w:
			return test(-1)
		case h > w:
			return test(1)
		}
		return test(0)
	}
}

func date(test func(c int) bool) func(want, have string) bool {
	return func(want, have string) bool {
		w, ok := moment(want)
		h, ok2 := moment(have)
		return ok && ok2 && test(h.Compare(w))
	}
}

// moment reads a date of a condition: ISO 8601 or seconds since 1970.
func moment(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func inRange(want, have string) bool {
	ip, err := netip.ParseAddr(have)
	if err != nil {
		return false
	}
	if network, err := netip.ParsePrefix(want); err == nil {
		return network.Contains(ip.Unmap())
	}
	one, err := netip.ParseAddr(want)
	return err == nil && one.Unmap() == ip.Unmap()
}

// arnLike compares ARNs field by field, so that no wildcard spans two.
func arnLike(want, have string) bool {
	w, h := strings.SplitN(want, ":", 6), strings.SplitN(have, ":", 6)
	if len(w) != 6 || len(h) != 6 {
		return false
	}
	for i := range w {
		if !matchPattern(w[i], h[i]) {
			return false
		}
	}
	return true
}
