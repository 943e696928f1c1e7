package lamina

import (
	"fmt"
	"strings"
)

// LatestPublished is the one mutable published qualifier of a managed-instances function.
const LatestPublished = "$LATEST.PUBLISHED"

// Latest is the unpublished qualifier every function has.
const Latest = "$LATEST"

// FunctionARN names a function, or with a qualifier one of its versions or aliases.
func FunctionARN(s Scope, name, qualifier string) string {
	arn := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", s.Region, s.Account, name)
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}

// CapacityProviderARN names a capacity provider (a colon before the name, not a slash).
func CapacityProviderARN(s Scope, name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:capacity-provider:%s", s.Region, s.Account, name)
}

// SplitARN cuts an ARN into its six fields; ok is false when it is none.
func SplitARN(arn string) (service, region, account, resource string, ok bool) {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[5] == "" {
		return "", "", "", "", false
	}
	return f[2], f[3], f[4], f[5], true
}

// CapacityProviderName is the name inside a capacity provider's ARN, or the
// argument itself when it is a bare name.
func CapacityProviderName(nameOrARN string) string {
	if _, name, ok := strings.Cut(nameOrARN, ":capacity-provider:"); ok {
		return name
	}
	return nameOrARN
}

// Key joins parts into a store key. Parts never contain a slash except the last.
func Key(parts ...string) string { return strings.Join(parts, "/") }
