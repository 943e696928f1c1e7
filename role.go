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
