package iam

import (
	"bytes"
	"encoding/json"

	"github.com/lamina-dev/lamina"
)

// IAM's default quotas.
// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxRoles       = 1000
	maxPolicies    = 1500
	maxProfiles    = 1000
	maxAttached    = 10 // managed policies on a role
	maxVersions    = 5  // of a managed policy
	maxTags        = 50
	maxTrustSize   = 2048
	maxInlineSize  = 10240 // of all inline policies of a role
	maxManagedSize = 6144
)

func overQuota(what string, n int) error {
	return lamina.Errorf("LimitExceeded", "Cannot exceed quota for %s: %d", what, n)
}

// size counts a document as the quotas do: without white space.
func size(document string) int {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(document)); err != nil {
		return len(document)
	}
	return b.Len()
}
