package lambda

import (
	"context"
	"regexp"
	"strings"

	"github.com/lamina-dev/lamina"
)

// target is a function, and perhaps one qualifier of it, as a caller named it.
type target struct {
	lamina.Scope
	name      string
	qualifier string // empty: none given
}

func (t target) key() string { return lamina.Key(t.Account, t.Region, t.name) }

func (t target) versionKey(qualifier string) string {
	return lamina.VersionKey(t.Scope, t.name, qualifier)
}

// arn is the target as its caller named it.
func (t target) arn() string { return lamina.FunctionARN(t.Scope, t.name, t.qualifier) }

func (t target) notFound() error {
	return lamina.Errorf(lamina.CodeResourceNotFound, textFunctionNotFound, t.arn())
}

// nameForm is the model's pattern of function names with its parts caught:
// region, account, name, qualifier.
var nameForm = regexp.MustCompile(`^(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?` +
	`(?:((?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?` +
	`([a-zA-Z0-9-_.]+)(?::(\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?$`)

// parseTarget reads a name, partial ARN or ARN together with the request's
// Qualifier; both may name a qualifier if they agree.
func parseTarget(ctx context.Context, name string, qualifier *string) (target, error) {
	t := target{Scope: lamina.CallerFrom(ctx).Scope, name: name}
	if strings.Contains(name, ":") {
		if err := t.parse(name); err != nil {
			return target{}, err
		}
	}
	if qualifier == nil || *qualifier == "" {
		return t, nil
	}
	if t.qualifier != "" && t.qualifier != *qualifier {
		return target{}, lamina.Errorf(lamina.CodeInvalidParameter, textQualifierDiffers)
	}
	t.qualifier = *qualifier
	return t, nil
}

func (t *target) parse(name string) error {
	m := nameForm.FindStringSubmatch(name)
	if m == nil {
		return lamina.Errorf(lamina.CodeInvalidParameter, "Invalid function name: %s", name)
	}
	if m[1] != "" && m[1] != t.Region {
		return lamina.Errorf(lamina.CodeResourceNotFound, textOtherRegion, m[1], t.Region)
	}
	account := t.Account
	if m[2] != "" {
		t.Account = m[2]
	}
	t.name, t.qualifier = m[3], m[4]
	if t.Account != account {
		return t.notFound() // calls across accounts need resource policies, which come later
	}
	return nil
}

// isNumber tells a version number from other qualifiers.
func isNumber(qualifier string) bool {
	return qualifier != "" && strings.Trim(qualifier, "0123456789") == ""
}

// isVersion tells a version's qualifier from an alias.
func isVersion(qualifier string) bool {
	return qualifier == lamina.Latest || qualifier == lamina.LatestPublished || isNumber(qualifier)
}
