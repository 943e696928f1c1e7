package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// AWS's texts for instance types it refuses could not be confirmed
// (lmi-service.md 11); these are chosen.
const (
	textUnknown  = "Instance type %s is not a known Amazon EC2 instance type."
	textNoMatch  = "Instance type pattern %s matches no instance type that is supported for capacity providers."
	textFamily   = "Instance type %s is not supported for capacity providers. Supported are the C, M and R families."
	textTooSmall = "Instance type %s is not supported for capacity providers. The smallest supported size is large."
	textGPU      = "Instance type %s is not supported for capacity providers. Instance types with GPUs are not supported."
)

// families are the first letters of the families that managed instances come
// from (lmi-service.md 2.3).
const families = "cmr"

// small are EC2's sizes below large.
var small = []string{"nano", "micro", "small", "medium"}

// Accepted says whether managed instances may be of the named type, or for a
// pattern with *, of any type that it matches. The refusal is an
// InvalidParameterValueException.
func Accepted(name string) error {
	if strings.Contains(name, "*") {
		if !slices.ContainsFunc(Match(name), acceptable) {
			return refuse(textNoMatch, name)
		}
		return nil
	}
	family, size, _ := strings.Cut(name, ".")
	t, known := Find(name)
	switch {
	case known && t.GPUs > 0:
		return refuse(textGPU, name)
	case family == "" || !generalPurpose(family):
		return refuse(textFamily, name)
	case slices.Contains(small, size):
		return refuse(textTooSmall, name)
	case !known:
		return refuse(textUnknown, name)
	}
	return nil
}

func refuse(text, name string) error {
	return lamina.Errorf(lamina.CodeInvalidParameter, text, name)
}

// generalPurpose tells c, m and r families (c7g, m5) from others (mac2, cr1):
// one letter, then the generation.
func generalPurpose(family string) bool {
	return len(family) > 1 && strings.IndexByte(families, family[0]) >= 0 && family[1] >= '0' && family[1] <= '9'
}

func acceptable(t Type) bool {
	_, size, _ := strings.Cut(t.Name, ".")
	return t.GPUs == 0 && generalPurpose(t.Family) && !slices.Contains(small, size)
}

// Candidates lists the types that a provider may launch, the cheapest first and
// those of unknown price last. Without an allow-list these are the current
// generation's; what is named there may be older. Both lists may hold patterns.
func Candidates(architecture string, allowed, excluded []string) []Type {
	var out []Type
	for _, t := range load() {
		if t.Architecture == architecture && acceptable(t) && wanted(t, allowed) && !listed(t, excluded) {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, cheaper)
	return out
}

func wanted(t Type, allowed []string) bool {
	if len(allowed) == 0 {
		return t.Current
	}
	return listed(t, allowed)
}

func listed(t Type, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, t.Name) })
}

func cheaper(a, b Type) int {
	if (a.PriceUSD == 0) != (b.PriceUSD == 0) {
		return cmp.Compare(b.PriceUSD, a.PriceUSD)
	}
	return cmp.Or(cmp.Compare(a.PriceUSD, b.PriceUSD), strings.Compare(a.Name, b.Name))
}
