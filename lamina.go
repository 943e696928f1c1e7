// Package lamina is the vocabulary of the project: the domain types, their
// states and transitions, ARNs and error codes that every other package speaks.
//
// The words are AWS's own (docs/nomenclature.md). The package imports only the
// standard library and holds no I/O; whoever stores, routes or runs these things
// does so elsewhere under internal/.
package lamina

import "time"

// Scope is the account and region that own a resource. IAM and STS resources
// leave Region empty, as they are global.
type Scope struct {
	Account string `json:"account"` // 12 digits
	Region  string `json:"region,omitempty"`
}

// Clock tells the time. Code that waits takes a context instead; code that
// decides takes now as an argument (DESIGN.md 10).
type Clock func() time.Time
