package iam

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

func malformed(format string, args ...any) error {
	return lamina.Errorf("MalformedPolicyDocument", format, args...)
}

// IAM's answers to documents it does not take. The texts were seen on AWS by others (moto's tests
// list most); where several faults meet, their order here is IAM's.
var (
	errTrustJSON   = malformed("This policy contains invalid Json")
	errSyntax      = malformed("Syntax errors in policy.")
	errVersion     = malformed("Policy document must be version 2012-10-17 or greater.")
	errLegacy      = malformed("The policy failed legacy parsing")
	errSid         = malformed("Statement IDs (SID) in a single policy must be unique.")
	errNoActions   = malformed("Policy statement must contain actions.")
	errNoResources = malformed("Policy statement must contain resources.")
	errPrincipal   = malformed("Policy document should not specify a principal.")
	errVendor      = malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	errNoPrincipal = malformed("Missing required field Principal")
	errResource    = malformed("Has prohibited field Resource")
	errNotResource = malformed("Has prohibited field NotResource")
	errTrustAction = malformed("AssumeRole policy may only specify STS AssumeRole actions.")
)

// maxDocument bounds what is parsed at all: the model's longest policy document.
const maxDocument = 131072

const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

// Parse reads a policy document and checks the grammar that all kinds share.
func Parse(document string) (Document, error) {
	var d Document
	if len(document) > maxDocument {
		return d, errSyntax
	}
	dec := json.NewDecoder(strings.NewReader(document))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Document{}, errSyntax
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Document{}, errSyntax
	}
	if d.Version != "" && d.Version != version2012 && d.Version != version2008 {
		return Document{}, errSyntax
	}
	if len(d.Statement) == 0 {
		return Document{}, errSyntax
	}
	for _, s := range d.Statement {
		if !s.wellFormed() {
			return Document{}, errSyntax
		}
	}
	return d, nil
}

// wellFormed checks one statement's grammar: an effect, no pair that excludes
// itself, and conditions with operators that exist.
func (s Statement) wellFormed() bool {
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return false
	}
	if s.Action != nil && s.NotAction != nil || s.Resource != nil && s.NotResource != nil || s.Principal != nil && s.NotPrincipal != nil {
		return false
	}
	for name := range s.Condition {
		if _, ok := operatorOf(name); !ok {
			return false
		}
	}
	return true
}

// ParsePermissions reads an identity policy.
func ParsePermissions(document string) (Document, error) {
	d, err := Parse(document)
	if err != nil {
		return Document{}, err
	}
	if d.Version != version2012 {
		return Document{}, errVersion
	}
	if err := d.uniqueSids(); err != nil {
		return Document{}, err
	}
	checks := []func(Statement) error{hasActions, noPrincipals, resourcesAreARNs, actionsHaveVendors, hasResources}
	return d.checked(checks)
}

// ParseTrust reads a role's trust policy.
func ParseTrust(document string) (Document, error) {
	if !json.Valid([]byte(document)) {
		return Document{}, errTrustJSON
	}
	d, err := Parse(document)
	if err != nil {
		return Document{}, err
	}
	if err := d.uniqueSids(); err != nil {
		return Document{}, err
	}
	return d.checked([]func(Statement) error{noResources, hasPrincipals, hasActions, actionsAssume, principalsValid})
}

// checked applies each check to all statements before the next one.
func (d Document) checked(checks []func(Statement) error) (Document, error) {
	for _, check := range checks {
		for _, s := range d.Statement {
			if err := check(s); err != nil {
				return Document{}, err
			}
		}
	}
	return d, nil
}

func (d Document) uniqueSids() error {
	seen := map[string]bool{}
	for _, s := range d.Statement {
		if s.Sid != "" && seen[s.Sid] {
			return errSid
		}
		seen[s.Sid] = true
	}
	return nil
}

func hasActions(s Statement) error {
	if len(s.Action)+len(s.NotAction) == 0 {
		return errNoActions
	}
	return nil
}

func hasResources(s Statement) error {
	if len(s.Resource)+len(s.NotResource) == 0 {
		return errNoResources
	}
	return nil
}

func noPrincipals(s Statement) error {
	if s.Principal != nil || s.NotPrincipal != nil {
		return errPrincipal
	}
	return nil
}

func hasPrincipals(s Statement) error {
	if len(s.Principal)+len(s.NotPrincipal) == 0 {
		return errNoPrincipal
	}
	return nil
}

func noResources(s Statement) error {
	switch {
	case s.Resource != nil:
		return errResource
	case s.NotResource != nil:
		return errNotResource
	}
	return nil
}

func resourcesAreARNs(s Statement) error {
	for _, r := range slices.Concat(s.Resource, s.NotResource) {
		switch {
		case r == "*":
		case !strings.HasPrefix(r, "arn:"):
			return malformed("Resource %s must be in ARN format or \"*\".", r)
		case strings.Count(r, ":") < 5 && !strings.ContainsAny(r, "*?"):
			return errLegacy
		}
	}
	return nil
}

var vendor = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)

func actionsHaveVendors(s Statement) error {
	for _, a := range slices.Concat(s.Action, s.NotAction) {
		if a == "*" {
			continue
		}
		v, name, ok := strings.Cut(a, ":")
		switch {
		case !ok || name == "":
			return errVendor
		case !vendor.MatchString(v):
			return malformed("Vendor %s is not valid", v)
		}
	}
	return nil
}

func actionsAssume(s Statement) error {
	for _, a := range slices.Concat(s.Action, s.NotAction) {
		v, _, _ := strings.Cut(a, ":")
		if a != "*" && !strings.EqualFold(v, "sts") {
			return errTrustAction
		}
	}
	return nil
}

// principalsValid checks how principals are written. Whether a named role or
// user exists is not asked.
func principalsValid(s Statement) error {
	for _, ps := range []principals{s.Principal, s.NotPrincipal} {
		for _, kind := range slices.Sorted(maps.Keys(ps)) {
			for _, p := range ps[kind] {
				if !validPrincipal(kind, p) {
					return malformed("Invalid principal in policy: %q:%q", strings.ToUpper(kind), p)
				}
			}
		}
	}
	return nil
}

var awsPrincipal = regexp.MustCompile(`^(\*|[0-9]{12}|A[A-Z]{3}[A-Z0-9]{12,124}|arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role|federated-user)/.+))$`)

func validPrincipal(kind, p string) bool {
	switch kind {
	case "AWS":
		return awsPrincipal.MatchString(p)
	case "Service":
		return p == "*" || strings.HasSuffix(p, ".amazonaws.com") || strings.HasSuffix(p, ".amazonaws.com.cn")
	case "Federated", "CanonicalUser":
		return p != ""
	}
	return false
}
