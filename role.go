package lamina

import "time"

// Role is an IAM role with its inline policies and attachments.
type Role struct {
	Account       string            `json:"account"`
	Name          string            `json:"name"`
	Path          string            `json:"path"`
	ID            string            `json:"id"` // AROA…
	TrustPolicy   string            `json:"trustPolicy"`
	Description   string            `json:"description,omitempty"`
	MaxSessionSec int32             `json:"maxSessionSec"`
	Boundary      string            `json:"boundary,omitempty"`
	Inline        map[string]string `json:"inline,omitempty"`   // policy name → document
	Attached      []string          `json:"attached,omitempty"` // managed policy ARNs, in attach order
	Tags          map[string]string `json:"tags,omitempty"`
	Created       time.Time         `json:"created"`
	ServiceLinked bool              `json:"serviceLinked,omitempty"`
}

// Key is the store key below the table's prefix.
func (r Role) Key() string { return Key(r.Account, r.Name) }

// ARN is the role's ARN.
func (r Role) ARN() string { return "arn:aws:iam::" + r.Account + ":role" + r.Path + r.Name }

// Policy is a customer-managed policy with its versions.
type Policy struct {
	Account     string            `json:"account"`
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"` // ANPA…
	Description string            `json:"description,omitempty"`
	Versions    []PolicyVersion   `json:"versions"` // oldest first
	Default     string            `json:"default"`  // version id
	NextVersion int               `json:"nextVersion"`
	Tags        map[string]string `json:"tags,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
}

// PolicyVersion is one document of a policy.
type PolicyVersion struct {
	ID       string    `json:"id"` // v1, v2, …
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// Key is the store key below the table's prefix.
func (p Policy) Key() string { return Key(p.Account, p.Name) }

// ARN is the policy's ARN.
func (p Policy) ARN() string { return "arn:aws:iam::" + p.Account + ":policy" + p.Path + p.Name }

// DefaultDocument is the document in force.
func (p Policy) DefaultDocument() string {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return ""
}

// InstanceProfile holds at most one role.
type InstanceProfile struct {
	Account string            `json:"account"`
	Name    string            `json:"name"`
	Path    string            `json:"path"`
	ID      string            `json:"id"` // AIPA…
	Role    string            `json:"role,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	Created time.Time         `json:"created"`
}

// Key is the store key below the table's prefix.
func (p InstanceProfile) Key() string { return Key(p.Account, p.Name) }

// ARN is the profile's ARN.
func (p InstanceProfile) ARN() string {
	return "arn:aws:iam::" + p.Account + ":instance-profile" + p.Path + p.Name
}
