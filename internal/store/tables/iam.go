package tables

import (
	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// IAM holds roles and policies. IAM is global: keys have an account, no region.
type IAM struct {
	Roles    *view.Table[lamina.Role]            // key: Role.Key
	Policies *view.Table[lamina.Policy]          // key: Policy.Key
	Profiles *view.Table[lamina.InstanceProfile] // key: InstanceProfile.Key
}

// NewIAM registers the tables with a view that is not open yet.
func NewIAM(v *view.View) IAM {
	return IAM{
		Roles:    view.NewTable[lamina.Role](v, "iam/role/"),
		Policies: view.NewTable[lamina.Policy](v, "iam/policy/"),
		Profiles: view.NewTable[lamina.InstanceProfile](v, "iam/instance-profile/"),
	}
}
