package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// hold keeps a policy from being deleted while a role begins to refer to it.
func (s *Service) hold(tx *view.Tx, account, arn string) error {
	if _, ok := iam.FindManaged(arn); ok {
		return nil
	}
	if err := checkPolicyARN(arn); err != nil {
		return err
	}
	row, ok := s.Tables.Policies.At(tx).Get(lamina.Key(account, policyName(arn)))
	if !ok || row.Value.ARN() != arn {
		return lamina.Errorf("NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
	}
	tx.Guard(s.Tables.Policies.AtRevision(row))
	return nil
}

func (s *Service) attachRolePolicy(ctx context.Context, in *model.AttachRolePolicyRequest) (*awsproto.Empty, error) {
	return nil, s.change(ctx, *in.RoleName, func(tx *view.Tx, r *lamina.Role) error {
		if slices.Contains(r.Attached, *in.PolicyArn) {
			return nil
		}
		if err := s.hold(tx, r.Account, *in.PolicyArn); err != nil {
			return err
		}
		if len(r.Attached) >= maxAttached {
			return overQuota("PoliciesPerRole", maxAttached)
		}
		r.Attached = append(r.Attached, *in.PolicyArn)
		return nil
	})
}

func (s *Service) detachRolePolicy(ctx context.Context, in *model.DetachRolePolicyRequest) (*awsproto.Empty, error) {
	return nil, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		i := slices.Index(r.Attached, *in.PolicyArn)
		if i < 0 {
			return noPolicy(*in.PolicyArn)
		}
		r.Attached = slices.Delete(r.Attached, i, i+1)
		return nil
	})
}

// attachedKey orders attached policies by name; two may share one.
func attachedKey(p model.AttachedPolicy) string { return *p.PolicyName + " " + *p.PolicyArn }

func (s *Service) listAttachedRolePolicies(ctx context.Context, in *model.ListAttachedRolePoliciesRequest) (*model.ListAttachedRolePoliciesResponse, error) {
	role, err := s.find(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	attached := []model.AttachedPolicy{}
	for _, arn := range role.Attached {
		if prefixed(policyPath(arn), in.PathPrefix) {
			attached = append(attached, model.AttachedPolicy{PolicyName: new(policyName(arn)), PolicyArn: &arn})
		}
	}
	slices.SortFunc(attached, func(x, y model.AttachedPolicy) int { return strings.Compare(attachedKey(x), attachedKey(y)) })
	out := &model.ListAttachedRolePoliciesResponse{}
	out.AttachedPolicies, out.IsTruncated, out.Marker = page(attached, attachedKey, in.Marker, in.MaxItems)
	return out, nil
}

// listEntitiesForPolicy knows roles only: Lamina has no users and groups.
func (s *Service) listEntitiesForPolicy(ctx context.Context, in *model.ListEntitiesForPolicyRequest) (*model.ListEntitiesForPolicyResponse, error) {
	if _, err := s.policy(ctx, *in.PolicyArn); err != nil {
		return nil, err
	}
	roles := []model.PolicyRole{}
	for _, row := range s.Tables.Roles.List(account(ctx) + "/") {
		if refersTo(row.Value, in) {
			roles = append(roles, model.PolicyRole{RoleName: &row.Value.Name, RoleId: &row.Value.ID})
		}
	}
	out := &model.ListEntitiesForPolicyResponse{PolicyGroups: []model.PolicyGroup{}, PolicyUsers: []model.PolicyUser{}}
	out.PolicyRoles, out.IsTruncated, out.Marker = page(roles, func(r model.PolicyRole) string { return *r.RoleName }, in.Marker, in.MaxItems)
	return out, nil
}

// refersTo applies ListEntitiesForPolicy's filters to one role.
func refersTo(r lamina.Role, in *model.ListEntitiesForPolicyRequest) bool {
	if in.EntityFilter != nil && *in.EntityFilter != "Role" || !prefixed(r.Path, in.PathPrefix) {
		return false
	}
	attached, bound := slices.Contains(r.Attached, *in.PolicyArn), r.Boundary == *in.PolicyArn
	switch {
	case in.PolicyUsageFilter == nil:
		return attached || bound
	case *in.PolicyUsageFilter == "PermissionsBoundary":
		return bound
	default:
		return attached
	}
}
