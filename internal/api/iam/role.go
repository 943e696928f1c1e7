package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func (s *Service) registerRoles(m *awsproto.Mux) {
	awsproto.Handle(m, model.CreateRole, s.createRole)
	awsproto.Handle(m, model.GetRole, s.getRole)
	awsproto.Handle(m, model.ListRoles, s.listRoles)
	awsproto.Handle(m, model.DeleteRole, s.deleteRole)
	awsproto.Handle(m, model.UpdateRole, s.updateRole)
	awsproto.Handle(m, model.UpdateRoleDescription, s.updateRoleDescription)
	awsproto.Handle(m, model.UpdateAssumeRolePolicy, s.updateAssumeRolePolicy)
	awsproto.Handle(m, model.PutRolePermissionsBoundary, s.putRolePermissionsBoundary)
	awsproto.Handle(m, model.DeleteRolePermissionsBoundary, s.deleteRolePermissionsBoundary)
	awsproto.Handle(m, model.PutRolePolicy, s.putRolePolicy)
	awsproto.Handle(m, model.GetRolePolicy, s.getRolePolicy)
	awsproto.Handle(m, model.DeleteRolePolicy, s.deleteRolePolicy)
	awsproto.Handle(m, model.ListRolePolicies, s.listRolePolicies)
	awsproto.Handle(m, model.TagRole, s.tagRole)
	awsproto.Handle(m, model.UntagRole, s.untagRole)
	awsproto.Handle(m, model.ListRoleTags, s.listRoleTags)
}

func noRole(name string) error {
	return lamina.Errorf("NoSuchEntity", "The role with name %s cannot be found.", name)
}

// checkTrust refuses a trust policy that IAM would not take.
func checkTrust(document string) error {
	if _, err := iam.ParseTrust(document); err != nil {
		return err
	}
	if size(document) > maxTrustSize {
		return overQuota("ACLSizePerRole", maxTrustSize)
	}
	return nil
}

func (s *Service) find(ctx context.Context, name string) (lamina.Role, error) {
	row, ok, err := find(ctx, s.View, s.Tables.Roles, lamina.Key(account(ctx), name))
	if err == nil && !ok {
		err = noRole(name)
	}
	return row.Value, err
}

func protected(name string) error {
	return lamina.Errorf("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", name)
}

// change rewrites one role that is not a service's own.
func (s *Service) change(ctx context.Context, name string, edit func(tx *view.Tx, r *lamina.Role) error) error {
	if _, err := s.find(ctx, name); err != nil {
		return err
	}
	_, err := s.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := s.Tables.Roles.At(tx).Get(lamina.Key(account(ctx), name))
		if !ok {
			return noRole(name)
		}
		if row.Value.ServiceLinked {
			return protected(name)
		}
		role := row.Value
		role.Inline, role.Attached = maps.Clone(role.Inline), slices.Clone(role.Attached)
		if err := edit(tx, &role); err != nil {
			return err
		}
		tx.Guard(s.Tables.Roles.AtRevision(row))
		return tx.Do(s.Tables.Roles.Put(row.Key, role))
	})
	return err
}

func (s *Service) createRole(ctx context.Context, in *model.CreateRoleRequest) (*model.CreateRoleResponse, error) {
	p, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(p, "/aws-service-role/") {
		return nil, lamina.Errorf("ValidationError", "Roles with the path /aws-service-role/ can only be created by AWS services.")
	}
	if err := checkTrust(*in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	role := lamina.Role{
		Account: account(ctx), Name: *in.RoleName, Path: p, ID: iam.NewID("AROA"),
		TrustPolicy: *in.AssumeRolePolicyDocument, MaxSessionSec: 3600, Tags: tags, Created: s.now(),
	}
	if in.Description != nil {
		role.Description = *in.Description
	}
	if in.MaxSessionDuration != nil {
		role.MaxSessionSec = *in.MaxSessionDuration
	}
	if in.PermissionsBoundary != nil {
		role.Boundary = *in.PermissionsBoundary
	}
	if err := s.store(ctx, role); err != nil {
		return nil, err
	}
	return &model.CreateRoleResponse{Role: roleOf(role)}, nil
}

func (s *Service) store(ctx context.Context, role lamina.Role) error {
	_, err := s.View.Update(ctx, func(tx *view.Tx) error {
		n := 0
		for row := range s.Tables.Roles.At(tx).Scan(role.Account + "/") {
			// IAM's names differ by more than case.
			if strings.EqualFold(row.Value.Name, role.Name) {
				return lamina.Errorf("EntityAlreadyExists", "Role with name %s already exists.", role.Name)
			}
			n++
		}
		if n >= maxRoles {
			return overQuota("RolesPerAccount", maxRoles)
		}
		if role.Boundary != "" {
			if err := s.hold(tx, role.Account, role.Boundary); err != nil {
				return err
			}
		}
		tx.Guard(s.Tables.Roles.Absent(role.Key()))
		return tx.Do(s.Tables.Roles.Put(role.Key(), role))
	})
	return err
}

func roleOf(r lamina.Role) *model.Role {
	out := &model.Role{
		Path: &r.Path, RoleName: &r.Name, RoleId: &r.ID, Arn: new(r.ARN()), CreateDate: &r.Created,
		AssumeRolePolicyDocument: escape(r.TrustPolicy), MaxSessionDuration: &r.MaxSessionSec,
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	if r.Boundary != "" {
		out.PermissionsBoundary = &model.AttachedPermissionsBoundary{PermissionsBoundaryType: new("Policy"), PermissionsBoundaryArn: &r.Boundary}
	}
	if len(r.Tags) > 0 {
		out.Tags = tagsOf(r.Tags)
	}
	return out
}

func (s *Service) getRole(ctx context.Context, in *model.GetRoleRequest) (*model.GetRoleResponse, error) {
	role, err := s.find(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out := roleOf(role)
	out.RoleLastUsed = &model.RoleLastUsed{}
	return &model.GetRoleResponse{Role: out}, nil
}

func (s *Service) listRoles(ctx context.Context, in *model.ListRolesRequest) (*model.ListRolesResponse, error) {
	roles := []model.Role{}
	for _, row := range s.Tables.Roles.List(account(ctx) + "/") {
		if prefixed(row.Value.Path, in.PathPrefix) {
			r := roleOf(row.Value)
			r.Tags, r.PermissionsBoundary = nil, nil
			roles = append(roles, *r)
		}
	}
	out := &model.ListRolesResponse{}
	out.Roles, out.IsTruncated, out.Marker = page(roles, func(r model.Role) string { return *r.RoleName }, in.Marker, in.MaxItems)
	return out, nil
}

func (s *Service) deleteRole(ctx context.Context, in *model.DeleteRoleRequest) (*awsproto.Empty, error) {
	if _, err := s.find(ctx, *in.RoleName); err != nil {
		return nil, err
	}
	_, err := s.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := s.Tables.Roles.At(tx).Get(lamina.Key(account(ctx), *in.RoleName))
		switch role := row.Value; {
		case !ok:
			return noRole(*in.RoleName)
		case role.ServiceLinked:
			return protected(role.Name)
		case len(role.Attached) > 0:
			return lamina.Errorf("DeleteConflict", "Cannot delete entity, must detach all policies first.")
		case len(role.Inline) > 0:
			return lamina.Errorf("DeleteConflict", "Cannot delete entity, must delete policies first.")
		}
		for p := range s.Tables.Profiles.At(tx).Scan(account(ctx) + "/") {
			if p.Value.Role == *in.RoleName {
				return lamina.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
			}
		}
		tx.Guard(s.Tables.Roles.AtRevision(row), s.Tables.Profiles.PrefixUnchanged(account(ctx)+"/", tx.Revision()))
		return tx.Do(s.Tables.Roles.Delete(row.Key))
	})
	return nil, err
}

func (s *Service) updateRole(ctx context.Context, in *model.UpdateRoleRequest) (*model.UpdateRoleResponse, error) {
	return &model.UpdateRoleResponse{}, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		r.Description = ""
		if in.Description != nil {
			r.Description = *in.Description
		}
		r.MaxSessionSec = 3600
		if in.MaxSessionDuration != nil {
			r.MaxSessionSec = *in.MaxSessionDuration
		}
		return nil
	})
}

func (s *Service) updateRoleDescription(ctx context.Context, in *model.UpdateRoleDescriptionRequest) (*model.UpdateRoleDescriptionResponse, error) {
	var out lamina.Role
	err := s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		r.Description = *in.Description
		out = *r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.UpdateRoleDescriptionResponse{Role: roleOf(out)}, nil
}

func (s *Service) updateAssumeRolePolicy(ctx context.Context, in *model.UpdateAssumeRolePolicyRequest) (*awsproto.Empty, error) {
	if err := checkTrust(*in.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		r.TrustPolicy = *in.PolicyDocument
		return nil
	})
}

func (s *Service) putRolePermissionsBoundary(ctx context.Context, in *model.PutRolePermissionsBoundaryRequest) (*awsproto.Empty, error) {
	return nil, s.change(ctx, *in.RoleName, func(tx *view.Tx, r *lamina.Role) error {
		r.Boundary = *in.PermissionsBoundary
		return s.hold(tx, r.Account, r.Boundary)
	})
}

func (s *Service) deleteRolePermissionsBoundary(ctx context.Context, in *model.DeleteRolePermissionsBoundaryRequest) (*awsproto.Empty, error) {
	return nil, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		if r.Boundary == "" {
			return lamina.Errorf("NoSuchEntity", "Role %s does not have a permissions boundary.", r.Name)
		}
		r.Boundary = ""
		return nil
	})
}

func (s *Service) putRolePolicy(ctx context.Context, in *model.PutRolePolicyRequest) (*awsproto.Empty, error) {
	if _, err := iam.ParsePermissions(*in.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[*in.PolicyName] = *in.PolicyDocument
		all := 0
		for _, document := range r.Inline {
			all += size(document)
		}
		if all > maxInlineSize {
			return lamina.Errorf("LimitExceeded", "Maximum policy size of %d bytes exceeded for role %s", maxInlineSize, r.Name)
		}
		return nil
	})
}

func noRolePolicy(name string) error {
	return lamina.Errorf("NoSuchEntity", "The role policy with name %s cannot be found.", name)
}

func (s *Service) getRolePolicy(ctx context.Context, in *model.GetRolePolicyRequest) (*model.GetRolePolicyResponse, error) {
	role, err := s.find(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	document, ok := role.Inline[*in.PolicyName]
	if !ok {
		return nil, noRolePolicy(*in.PolicyName)
	}
	return &model.GetRolePolicyResponse{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: escape(document)}, nil
}

func (s *Service) deleteRolePolicy(ctx context.Context, in *model.DeleteRolePolicyRequest) (*awsproto.Empty, error) {
	return nil, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		if _, ok := r.Inline[*in.PolicyName]; !ok {
			return noRolePolicy(*in.PolicyName)
		}
		delete(r.Inline, *in.PolicyName)
		return nil
	})
}

func (s *Service) listRolePolicies(ctx context.Context, in *model.ListRolePoliciesRequest) (*model.ListRolePoliciesResponse, error) {
	role, err := s.find(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out := &model.ListRolePoliciesResponse{}
	out.PolicyNames, out.IsTruncated, out.Marker = page(sortedKeys(role.Inline), func(n string) string { return n }, in.Marker, in.MaxItems)
	return out, nil
}

func (s *Service) tagRole(ctx context.Context, in *model.TagRoleRequest) (*awsproto.Empty, error) {
	return nil, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) (err error) {
		r.Tags, err = withTags(r.Tags, in.Tags)
		return err
	})
}

func (s *Service) untagRole(ctx context.Context, in *model.UntagRoleRequest) (*awsproto.Empty, error) {
	return nil, s.change(ctx, *in.RoleName, func(_ *view.Tx, r *lamina.Role) error {
		r.Tags = withoutTags(r.Tags, in.TagKeys)
		return nil
	})
}

func (s *Service) listRoleTags(ctx context.Context, in *model.ListRoleTagsRequest) (*model.ListRoleTagsResponse, error) {
	role, err := s.find(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out := &model.ListRoleTagsResponse{}
	out.Tags, out.IsTruncated, out.Marker = page(tagsOf(role.Tags), tagKey, in.Marker, in.MaxItems)
	return out, nil
}
