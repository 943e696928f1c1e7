package lamina

import (
	"crypto/sha256"
	"encoding/hex"
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

// RuntimeVersion is the one version of a runtime that there is, as AWS writes it:
// python:3.13.v14 (AWS: "runtime-management-identify"; the number is chosen). "" has none.
func RuntimeVersion(runtime string) string {
	at := strings.IndexAny(runtime, ".0123456789")
	if at < 0 {
		return runtime
	}
	number := strings.TrimSuffix(strings.TrimPrefix(runtime[at:], "."), ".x")
	return runtime[:at] + ":" + number + ".v1"
}

// RuntimeVersionARN names that version (form AWS's, hash chosen). "" has none.
func RuntimeVersionARN(region, runtime string) string {
	if runtime == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(runtime))
	return "arn:aws:lambda:" + region + "::runtime:" + hex.EncodeToString(sum[:])
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
