package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func (s *Service) registerPolicies(m *awsproto.Mux) {
	awsproto.Handle(m, model.CreatePolicy, s.createPolicy)
	awsproto.Handle(m, model.GetPolicy, s.getPolicy)
	awsproto.Handle(m, model.ListPolicies, s.listPolicies)
	awsproto.Handle(m, model.DeletePolicy, s.deletePolicy)
	awsproto.Handle(m, model.CreatePolicyVersion, s.createPolicyVersion)
	awsproto.Handle(m, model.GetPolicyVersion, s.getPolicyVersion)
	awsproto.Handle(m, model.ListPolicyVersions, s.listPolicyVersions)
	awsproto.Handle(m, model.DeletePolicyVersion, s.deletePolicyVersion)
	awsproto.Handle(m, model.SetDefaultPolicyVersion, s.setDefaultPolicyVersion)
	awsproto.Handle(m, model.TagPolicy, s.tagPolicy)
	awsproto.Handle(m, model.UntagPolicy, s.untagPolicy)
	awsproto.Handle(m, model.ListPolicyTags, s.listPolicyTags)
	awsproto.Handle(m, model.AttachRolePolicy, s.attachRolePolicy)
	awsproto.Handle(m, model.DetachRolePolicy, s.detachRolePolicy)
	awsproto.Handle(m, model.ListAttachedRolePolicies, s.listAttachedRolePolicies)
	awsproto.Handle(m, model.ListEntitiesForPolicy, s.listEntitiesForPolicy)
}

func noPolicy(arn string) error {
	return lamina.Errorf("NoSuchEntity", "Policy %s was not found.", arn)
}

func noPolicyVersion(arn, version string) error {
	return lamina.Errorf("NoSuchEntity", "Policy %s version %s does not exist or is not attachable.", arn, version)
}

// checkPolicyARN refuses what is not a policy's ARN.
func checkPolicyARN(arn string) error {
	service, region, _, resource, ok := lamina.SplitARN(arn)
	if !ok || service != "iam" || region != "" || !strings.HasPrefix(resource, "policy/") {
		return lamina.Errorf("InvalidInput", "ARN %s is not valid.", arn)
	}
	return nil
}

// policyName is the name at the end of a policy's ARN.
func policyName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// policyPath is the path inside a policy's ARN.
func policyPath(arn string) string {
	_, path, _ := strings.Cut(arn, ":policy")
	return path[:strings.LastIndexByte(path, '/')+1]
}

// awsPolicy is a policy of AWS in the form of a customer's.
func awsPolicy(p iam.ManagedPolicy) lamina.Policy {
	return lamina.Policy{
		Account: "aws", Name: p.Name, Path: p.Path, ID: p.ID(), Default: "v1", Created: iam.ManagedSince, Updated: iam.ManagedSince,
		Versions: []lamina.PolicyVersion{{ID: "v1", Document: p.Document(), Created: iam.ManagedSince}},
	}
}

// policy finds a policy of AWS or of the caller's account.
func (s *Service) policy(ctx context.Context, arn string) (lamina.Policy, error) {
	if p, ok := iam.FindManaged(arn); ok {
		return awsPolicy(p), nil
	}
	if err := checkPolicyARN(arn); err != nil {
		return lamina.Policy{}, err
	}
	row, ok, err := find(ctx, s.View, s.Tables.Policies, lamina.Key(account(ctx), policyName(arn)))
	if err != nil {
		return lamina.Policy{}, err
	}
	if !ok || row.Value.ARN() != arn {
		return lamina.Policy{}, noPolicy(arn)
	}
	return row.Value, nil
}

// changePolicy rewrites one customer managed policy; edit may also guard.
func (s *Service) changePolicy(ctx context.Context, arn string, edit func(p *lamina.Policy) error) error {
	if err := s.mayChange(ctx, arn); err != nil {
		return err
	}
	_, err := s.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := s.Tables.Policies.At(tx).Get(lamina.Key(account(ctx), policyName(arn)))
		if !ok || row.Value.ARN() != arn {
			return noPolicy(arn)
		}
		p := row.Value
		p.Versions = slices.Clone(p.Versions)
		if err := edit(&p); err != nil {
			return err
		}
		p.Updated = s.now()
		tx.Guard(s.Tables.Policies.AtRevision(row))
		return tx.Do(s.Tables.Policies.Put(row.Key, p))
	})
	return err
}

// mayChange refuses changes to the policies of AWS, and finds the others. AWS's
// text names the operation, which nobody could confirm; this one is chosen.
func (s *Service) mayChange(ctx context.Context, arn string) error {
	if _, ok := iam.FindManaged(arn); ok {
		return lamina.Errorf("AccessDenied", "User: %s is not authorized to change the AWS managed policy %s", lamina.CallerFrom(ctx).ARN, arn)
	}
	_, err := s.policy(ctx, arn)
	return err
}

func checkManaged(document string) error {
	if _, err := iam.ParsePermissions(document); err != nil {
		return err
	}
	if size(document) > maxManagedSize {
		return overQuota("PolicySize", maxManagedSize)
	}
	return nil
}

func (s *Service) createPolicy(ctx context.Context, in *model.CreatePolicyRequest) (*model.CreatePolicyResponse, error) {
	pth, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	now := s.now()
	p := lamina.Policy{
		Account: account(ctx), Name: *in.PolicyName, Path: pth, ID: iam.NewID("ANPA"), Default: "v1", NextVersion: 2,
		Versions: []lamina.PolicyVersion{{ID: "v1", Document: *in.PolicyDocument, Created: now}},
		Tags:     tags, Created: now, Updated: now,
	}
	if in.Description != nil {
		p.Description = *in.Description
	}
	if _, err := s.View.Update(ctx, func(tx *view.Tx) error { return s.addPolicy(tx, p) }); err != nil {
		return nil, err
	}
	out := policyOf(p, usage{})
	out.Description = nil // CreatePolicy doesn't show it
	return &model.CreatePolicyResponse{Policy: &out}, nil
}

func (s *Service) addPolicy(tx *view.Tx, p lamina.Policy) error {
	n := 0
	for row := range s.Tables.Policies.At(tx).Scan(p.Account + "/") {
		if strings.EqualFold(row.Value.Name, p.Name) {
			return lamina.Errorf("EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		n++
	}
	if n >= maxPolicies {
		return overQuota("PoliciesPerAccount", maxPolicies)
	}
	tx.Guard(s.Tables.Policies.Absent(p.Key()))
	return tx.Do(s.Tables.Policies.Put(p.Key(), p))
}

// usage says how many roles have a policy attached, and as their boundary.
type usage struct{ attached, boundary int32 }

// usages counts for all policies that an account's roles refer to.
func (s *Service) usages(account string) map[string]usage {
	counts := map[string]usage{}
	for _, row := range s.Tables.Roles.List(account + "/") {
		for _, arn := range row.Value.Attached {
			u := counts[arn]
			u.attached++
			counts[arn] = u
		}
		if arn := row.Value.Boundary; arn != "" {
			u := counts[arn]
			u.boundary++
			counts[arn] = u
		}
	}
	return counts
}

func policyOf(p lamina.Policy, u usage) model.Policy {
	out := model.Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Arn: new(p.ARN()), Path: &p.Path, DefaultVersionId: &p.Default,
		AttachmentCount: &u.attached, PermissionsBoundaryUsageCount: &u.boundary, IsAttachable: new(true),
		CreateDate: &p.Created, UpdateDate: &p.Updated,
	}
	if p.Description != "" {
		out.Description = &p.Description
	}
	if len(p.Tags) > 0 {
		out.Tags = tagsOf(p.Tags)
	}
	return out
}

func (s *Service) getPolicy(ctx context.Context, in *model.GetPolicyRequest) (*model.GetPolicyResponse, error) {
	p, err := s.policy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := policyOf(p, s.usages(account(ctx))[p.ARN()])
	return &model.GetPolicyResponse{Policy: &out}, nil
}

func (s *Service) listPolicies(ctx context.Context, in *model.ListPoliciesRequest) (*model.ListPoliciesResponse, error) {
	used := s.usages(account(ctx))
	policies := []model.Policy{}
	for _, p := range s.policiesOf(account(ctx), in.Scope) {
		u := used[p.ARN()]
		if prefixed(p.Path, in.PathPrefix) && u.wanted(in) {
			shown := policyOf(p, u)
			shown.Description, shown.Tags = nil, nil // ListPolicies shows neither
			policies = append(policies, shown)
		}
	}
	key := func(p model.Policy) string { return *p.PolicyName + " " + *p.Arn }
	slices.SortFunc(policies, func(x, y model.Policy) int { return strings.Compare(key(x), key(y)) })
	out := &model.ListPoliciesResponse{}
	out.Policies, out.IsTruncated, out.Marker = page(policies, key, in.Marker, in.MaxItems)
	return out, nil
}

// policiesOf are the policies of AWS, of an account, or both.
func (s *Service) policiesOf(account string, scope *string) []lamina.Policy {
	var all []lamina.Policy
	if scope == nil || *scope != "Local" {
		for _, p := range iam.Managed {
			all = append(all, awsPolicy(p))
		}
	}
	if scope == nil || *scope != "AWS" {
		for _, row := range s.Tables.Policies.List(account + "/") {
			all = append(all, row.Value)
		}
	}
	return all
}

// wanted applies ListPolicies' filters on use.
func (u usage) wanted(in *model.ListPoliciesRequest) bool {
	if in.OnlyAttached != nil && *in.OnlyAttached && u.attached == 0 {
		return false
	}
	switch {
	case in.PolicyUsageFilter == nil:
		return true
	case *in.PolicyUsageFilter == "PermissionsBoundary":
		return u.boundary > 0
	default:
		return u.attached > 0
	}
}

func (s *Service) deletePolicy(ctx context.Context, in *model.DeletePolicyRequest) (*awsproto.Empty, error) {
	arn := *in.PolicyArn
	if err := s.mayChange(ctx, arn); err != nil {
		return nil, err
	}
	_, err := s.View.Update(ctx, func(tx *view.Tx) error {
		row, ok := s.Tables.Policies.At(tx).Get(lamina.Key(account(ctx), policyName(arn)))
		if !ok || row.Value.ARN() != arn {
			return noPolicy(arn)
		}
		for role := range s.Tables.Roles.At(tx).Scan(account(ctx) + "/") {
			if slices.Contains(role.Value.Attached, arn) || role.Value.Boundary == arn {
				return lamina.Errorf("DeleteConflict", "Cannot delete a policy attached to entities.")
			}
		}
		if len(row.Value.Versions) > 1 {
			return lamina.Errorf("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		tx.Guard(s.Tables.Policies.AtRevision(row), s.Tables.Roles.PrefixUnchanged(account(ctx)+"/", tx.Revision()))
		return tx.Do(s.Tables.Policies.Delete(row.Key))
	})
	return nil, err
}

func (s *Service) createPolicyVersion(ctx context.Context, in *model.CreatePolicyVersionRequest) (*model.CreatePolicyVersionResponse, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	var made lamina.PolicyVersion
	inForce := in.SetAsDefault != nil && *in.SetAsDefault
	err := s.changePolicy(ctx, *in.PolicyArn, func(p *lamina.Policy) error {
		if len(p.Versions) >= maxVersions {
			return lamina.Errorf("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		made = lamina.PolicyVersion{ID: "v" + strconv.Itoa(p.NextVersion), Document: *in.PolicyDocument, Created: s.now()}
		p.NextVersion++
		p.Versions = append(p.Versions, made)
		if inForce {
			p.Default = made.ID
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := versionOf(made, inForce)
	out.Document = nil // CreatePolicyVersion doesn't show it
	return &model.CreatePolicyVersionResponse{PolicyVersion: &out}, nil
}

func versionOf(v lamina.PolicyVersion, inForce bool) model.PolicyVersion {
	return model.PolicyVersion{Document: escape(v.Document), VersionId: &v.ID, IsDefaultVersion: &inForce, CreateDate: &v.Created}
}

func (s *Service) getPolicyVersion(ctx context.Context, in *model.GetPolicyVersionRequest) (*model.GetPolicyVersionResponse, error) {
	p, err := s.policy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i := versionAt(p, *in.VersionId)
	if i < 0 {
		return nil, noPolicyVersion(*in.PolicyArn, *in.VersionId)
	}
	out := versionOf(p.Versions[i], p.Versions[i].ID == p.Default)
	return &model.GetPolicyVersionResponse{PolicyVersion: &out}, nil
}

func versionAt(p lamina.Policy, id string) int {
	return slices.IndexFunc(p.Versions, func(v lamina.PolicyVersion) bool { return v.ID == id })
}

// listPolicyVersions shows the newest first, without documents.
func (s *Service) listPolicyVersions(ctx context.Context, in *model.ListPolicyVersionsRequest) (*model.ListPolicyVersionsResponse, error) {
	p, err := s.policy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	versions := []model.PolicyVersion{}
	for _, v := range slices.Backward(p.Versions) {
		shown := versionOf(v, v.ID == p.Default)
		shown.Document = nil
		versions = append(versions, shown)
	}
	// Counting down, so that keys ascend.
	key := func(v model.PolicyVersion) string {
		n, _ := strconv.Atoi((*v.VersionId)[1:]) // always v and a number
		return strconv.Itoa(1<<30 - n)
	}
	out := &model.ListPolicyVersionsResponse{}
	out.Versions, out.IsTruncated, out.Marker = page(versions, key, in.Marker, in.MaxItems)
	return out, nil
}

func (s *Service) deletePolicyVersion(ctx context.Context, in *model.DeletePolicyVersionRequest) (*awsproto.Empty, error) {
	return nil, s.changePolicy(ctx, *in.PolicyArn, func(p *lamina.Policy) error {
		i := versionAt(*p, *in.VersionId)
		switch {
		case i < 0:
			return noPolicyVersion(*in.PolicyArn, *in.VersionId)
		case p.Default == *in.VersionId:
			return lamina.Errorf("DeleteConflict", "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
}

func (s *Service) setDefaultPolicyVersion(ctx context.Context, in *model.SetDefaultPolicyVersionRequest) (*awsproto.Empty, error) {
	return nil, s.changePolicy(ctx, *in.PolicyArn, func(p *lamina.Policy) error {
		if versionAt(*p, *in.VersionId) < 0 {
			return noPolicyVersion(*in.PolicyArn, *in.VersionId)
		}
		p.Default = *in.VersionId
		return nil
	})
}

func (s *Service) tagPolicy(ctx context.Context, in *model.TagPolicyRequest) (*awsproto.Empty, error) {
	return nil, s.changePolicy(ctx, *in.PolicyArn, func(p *lamina.Policy) (err error) {
		p.Tags, err = withTags(p.Tags, in.Tags)
		return err
	})
}

func (s *Service) untagPolicy(ctx context.Context, in *model.UntagPolicyRequest) (*awsproto.Empty, error) {
	return nil, s.changePolicy(ctx, *in.PolicyArn, func(p *lamina.Policy) error {
		p.Tags = withoutTags(p.Tags, in.TagKeys)
		return nil
	})
}

func (s *Service) listPolicyTags(ctx context.Context, in *model.ListPolicyTagsRequest) (*model.ListPolicyTagsResponse, error) {
	p, err := s.policy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := &model.ListPolicyTagsResponse{}
	out.Tags, out.IsTruncated, out.Marker = page(tagsOf(p.Tags), tagKey, in.Marker, in.MaxItems)
	return out, nil
}
