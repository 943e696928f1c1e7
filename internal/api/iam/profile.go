package iam

import (
	"context"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func (s *Service) registerProfiles(m *awsproto.Mux) {
	awsproto.Handle(m, model.CreateInstanceProfile, s.createInstanceProfile)
	awsproto.Handle(m, model.GetInstanceProfile, s.getInstanceProfile)
	awsproto.Handle(m, model.ListInstanceProfiles, s.listInstanceProfiles)
	awsproto.Handle(m, model.ListInstanceProfilesForRole, s.listInstanceProfilesForRole)
	awsproto.Handle(m, model.DeleteInstanceProfile, s.deleteInstanceProfile)
	awsproto.Handle(m, model.AddRoleToInstanceProfile, s.addRoleToInstanceProfile)
	awsproto.Handle(m, model.RemoveRoleFromInstanceProfile, s.removeRoleFromInstanceProfile)
	awsproto.Handle(m, model.TagInstanceProfile, s.tagInstanceProfile)
	awsproto.Handle(m, model.UntagInstanceProfile, s.untagInstanceProfile)
	awsproto.Handle(m, model.ListInstanceProfileTags, s.listInstanceProfileTags)
}

func noProfile(name string) error {
	return lamina.Errorf("NoSuchEntity", "Instance Profile %s cannot be found.", name)
}

func (s *Service) profile(ctx context.Context, name string) (lamina.InstanceProfile, error) {
	row, ok, err := find(ctx, s.View, s.Tables.Profiles, lamina.Key(account(ctx), name))
	if err == nil && !ok {
		err = noProfile(name)
	}
	return row.Value, err
}

// changeProfile rewrites one instance profile.
func (s *Service) changeProfile(ctx context.Context, name string, edit func(tx *view.Tx, p *lamina.InstanceProfile) error) error {
	if _, err := s.profile(ctx, name); err != nil {
		return err
	}
	_, err := s.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := s.Tables.Profiles.At(tx).Get(lamina.Key(account(ctx), name))
		if !ok {
			return noProfile(name)
		}
		p := row.Value
		if err := edit(tx, &p); err != nil {
			return err
		}
		tx.Guard(s.Tables.Profiles.AtRevision(row))
		return tx.Do(s.Tables.Profiles.Put(row.Key, p))
	})
	return err
}

func (s *Service) profileOf(p lamina.InstanceProfile) *model.InstanceProfile {
	out := &model.InstanceProfile{
		Path: &p.Path, InstanceProfileName: &p.Name, InstanceProfileId: &p.ID, Arn: new(p.ARN()),
		CreateDate: &p.Created, Roles: []model.Role{},
	}
	if row, ok := s.Tables.Roles.Get(lamina.Key(p.Account, p.Role)); ok && p.Role != "" {
		r := roleOf(row.Value)
		r.Tags, r.PermissionsBoundary = nil, nil // as in every list of roles
		out.Roles = append(out.Roles, *r)
	}
	if len(p.Tags) > 0 {
		out.Tags = tagsOf(p.Tags)
	}
	return out
}

func (s *Service) createInstanceProfile(ctx context.Context, in *model.CreateInstanceProfileRequest) (*model.CreateInstanceProfileResponse, error) {
	pth, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := lamina.InstanceProfile{
		Account: account(ctx), Name: *in.InstanceProfileName, Path: pth, ID: iam.NewID("AIPA"), Tags: tags, Created: s.now(),
	}
	if _, err := s.View.Update(ctx, func(tx *view.Tx) error { return s.addProfile(tx, p) }); err != nil {
		return nil, err
	}
	return &model.CreateInstanceProfileResponse{InstanceProfile: s.profileOf(p)}, nil
}

func (s *Service) addProfile(tx *view.Tx, p lamina.InstanceProfile) error {
	n := 0
	for row := range s.Tables.Profiles.At(tx).Scan(p.Account + "/") {
		if strings.EqualFold(row.Value.Name, p.Name) {
			return lamina.Errorf("EntityAlreadyExists", "Instance Profile %s already exists.", p.Name)
		}
		n++
	}
	if n >= maxProfiles {
		return overQuota("InstanceProfilesPerAccount", maxProfiles)
	}
	tx.Guard(s.Tables.Profiles.Absent(p.Key()))
	return tx.Do(s.Tables.Profiles.Put(p.Key(), p))
}

func (s *Service) getInstanceProfile(ctx context.Context, in *model.GetInstanceProfileRequest) (*model.GetInstanceProfileResponse, error) {
	p, err := s.profile(ctx, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &model.GetInstanceProfileResponse{InstanceProfile: s.profileOf(p)}, nil
}

// profiles are an account's that are wanted, by name.
func (s *Service) profiles(ctx context.Context, wanted func(lamina.InstanceProfile) bool) []model.InstanceProfile {
	all := []model.InstanceProfile{}
	for _, row := range s.Tables.Profiles.List(account(ctx) + "/") {
		if wanted(row.Value) {
			shown := s.profileOf(row.Value)
			shown.Tags = nil // lists don't show them
			all = append(all, *shown)
		}
	}
	return all
}

func profileName(p model.InstanceProfile) string { return *p.InstanceProfileName }

func (s *Service) listInstanceProfiles(ctx context.Context, in *model.ListInstanceProfilesRequest) (*model.ListInstanceProfilesResponse, error) {
	all := s.profiles(ctx, func(p lamina.InstanceProfile) bool { return prefixed(p.Path, in.PathPrefix) })
	out := &model.ListInstanceProfilesResponse{}
	out.InstanceProfiles, out.IsTruncated, out.Marker = page(all, profileName, in.Marker, in.MaxItems)
	return out, nil
}

func (s *Service) listInstanceProfilesForRole(ctx context.Context, in *model.ListInstanceProfilesForRoleRequest) (*model.ListInstanceProfilesForRoleResponse, error) {
	if _, err := s.find(ctx, *in.RoleName); err != nil {
		return nil, err
	}
	all := s.profiles(ctx, func(p lamina.InstanceProfile) bool { return p.Role == *in.RoleName })
	out := &model.ListInstanceProfilesForRoleResponse{}
	out.InstanceProfiles, out.IsTruncated, out.Marker = page(all, profileName, in.Marker, in.MaxItems)
	return out, nil
}

func (s *Service) deleteInstanceProfile(ctx context.Context, in *model.DeleteInstanceProfileRequest) (*awsproto.Empty, error) {
	name := *in.InstanceProfileName
	if _, err := s.profile(ctx, name); err != nil {
		return nil, err
	}
	_, err := s.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := s.Tables.Profiles.At(tx).Get(lamina.Key(account(ctx), name))
		switch {
		case !ok:
			return noProfile(name)
		case row.Value.Role != "":
			return lamina.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		tx.Guard(s.Tables.Profiles.AtRevision(row))
		return tx.Do(s.Tables.Profiles.Delete(row.Key))
	})
	return nil, err
}

func (s *Service) addRoleToInstanceProfile(ctx context.Context, in *model.AddRoleToInstanceProfileRequest) (*awsproto.Empty, error) {
	return nil, s.changeProfile(ctx, *in.InstanceProfileName, func(tx *view.Tx, p *lamina.InstanceProfile) error {
		row, ok := s.Tables.Roles.At(tx).Get(lamina.Key(p.Account, *in.RoleName))
		switch {
		case !ok:
			return noRole(*in.RoleName)
		case row.Value.ServiceLinked:
			return protected(row.Value.Name)
		case p.Role != "":
			return overQuota("InstanceSessionsPerInstanceProfile", 1)
		}
		p.Role = row.Value.Name
		tx.Guard(s.Tables.Roles.AtRevision(row)) // deleting the role conflicts with this
		return nil
	})
}

func (s *Service) removeRoleFromInstanceProfile(ctx context.Context, in *model.RemoveRoleFromInstanceProfileRequest) (*awsproto.Empty, error) {
	return nil, s.changeProfile(ctx, *in.InstanceProfileName, func(_ *view.Tx, p *lamina.InstanceProfile) error {
		if p.Role != *in.RoleName {
			return noRole(*in.RoleName)
		}
		p.Role = ""
		return nil
	})
}

func (s *Service) tagInstanceProfile(ctx context.Context, in *model.TagInstanceProfileRequest) (*awsproto.Empty, error) {
	return nil, s.changeProfile(ctx, *in.InstanceProfileName, func(_ *view.Tx, p *lamina.InstanceProfile) (err error) {
		p.Tags, err = withTags(p.Tags, in.Tags)
		return err
	})
}

func (s *Service) untagInstanceProfile(ctx context.Context, in *model.UntagInstanceProfileRequest) (*awsproto.Empty, error) {
	return nil, s.changeProfile(ctx, *in.InstanceProfileName, func(_ *view.Tx, p *lamina.InstanceProfile) error {
		p.Tags = withoutTags(p.Tags, in.TagKeys)
		return nil
	})
}

func (s *Service) listInstanceProfileTags(ctx context.Context, in *model.ListInstanceProfileTagsRequest) (*model.ListInstanceProfileTagsResponse, error) {
	p, err := s.profile(ctx, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	out := &model.ListInstanceProfileTagsResponse{}
	out.Tags, out.IsTruncated, out.Marker = page(tagsOf(p.Tags), tagKey, in.Marker, in.MaxItems)
	return out, nil
}
