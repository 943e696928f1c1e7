package lambda

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// ownLayer is a layer version that the caller's account must own.
func ownLayer(ctx context.Context, operation, name string, version *int64) (layerRef, error) {
	ref, err := layerOf(ctx, name, version)
	if own := lamina.CallerFrom(ctx); err == nil && ref.Account != own.Account {
		return ref, layerDenied(own.ARN, operation, ref.arn())
	}
	return ref, err
}

// changeLayerPolicy edits the policy of a layer version in one commit.
func (s *Service) changeLayerPolicy(ctx context.Context, ref layerRef, expected *string, fn func(*lamina.ResourcePolicy) error) (lamina.ResourcePolicy, error) {
	var policy lamina.ResourcePolicy
	edit := func(tx *view.Tx) error {
		row, ok := s.at(tx).layerVersions.Get(ref.key())
		if !ok {
			return lamina.Errorf(lamina.CodeResourceNotFound, textLayerMissing, ref.arn())
		}
		policy = lamina.ResourcePolicy{}
		if row.Value.Policy != nil {
			policy = *row.Value.Policy
			policy.Statements = slices.Clone(policy.Statements)
		}
		if err := checkRevision(expected, policy.RevisionID, "GetLayerPolicy"); err != nil {
			return err
		}
		if err := fn(&policy); err != nil {
			return err
		}
		policy.RevisionID = newRevision()
		v := row.Value
		v.Policy = &policy
		if len(policy.Statements) == 0 {
			v.Policy = nil
		}
		tx.Guard(s.Tables.LayerVersions.AtRevision(row))
		return tx.Do(s.Tables.LayerVersions.Put(row.Key, v))
	}
	return caughtUp(ctx, s, func() (lamina.ResourcePolicy, error) {
		_, err := s.View.Update(ctx, edit)
		return policy, err
	})
}

func (s *Service) addLayerPermission(ctx context.Context, in *model.AddLayerVersionPermissionRequest) (*model.AddLayerVersionPermissionResponse, error) {
	ref, err := ownLayer(ctx, "AddLayerVersionPermission", *in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	who, err := principal(*in.Principal)
	if err != nil {
		return nil, err
	}
	st := statement{Sid: *in.StatementId, Effect: "Allow", Principal: who, Action: *in.Action, Resource: ref.arn()}
	if in.OrganizationId != nil {
		st.Condition = map[string]map[string]string{"StringEquals": {"aws:PrincipalOrgID": *in.OrganizationId}}
	}
	raw, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	policy, err := s.changeLayerPolicy(ctx, ref, in.RevisionId, func(p *lamina.ResourcePolicy) error {
		if slices.ContainsFunc(p.Statements, withID(st.Sid)) {
			return lamina.Errorf(lamina.CodeResourceConflict, textStatementExists, st.Sid)
		}
		p.Statements = append(p.Statements, lamina.PolicyStatement{ID: st.Sid, Document: string(raw)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.AddLayerVersionPermissionResponse{Statement: new(string(raw)), RevisionId: &policy.RevisionID}, nil
}

func (s *Service) removeLayerPermission(ctx context.Context, in *model.RemoveLayerVersionPermissionRequest) (*awsproto.Empty, error) {
	ref, err := ownLayer(ctx, "RemoveLayerVersionPermission", *in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	_, err = s.changeLayerPolicy(ctx, ref, in.RevisionId, func(p *lamina.ResourcePolicy) error {
		before := len(p.Statements)
		p.Statements = slices.DeleteFunc(p.Statements, withID(*in.StatementId))
		if len(p.Statements) == before {
			return lamina.Errorf(lamina.CodeResourceNotFound, textStatementMissing, *in.StatementId)
		}
		return nil
	})
	return nil, err
}

func (s *Service) getLayerPolicy(ctx context.Context, in *model.GetLayerVersionPolicyRequest) (*model.GetLayerVersionPolicyResponse, error) {
	ref, err := ownLayer(ctx, "GetLayerVersionPolicy", *in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return caughtUp(ctx, s, func() (*model.GetLayerVersionPolicyResponse, error) {
		row, ok := s.Tables.LayerVersions.Get(ref.key())
		switch {
		case !ok:
			return nil, lamina.Errorf(lamina.CodeResourceNotFound, textLayerMissing, ref.arn())
		case row.Value.Policy == nil:
			return nil, lamina.Errorf(lamina.CodeResourceNotFound, textNoPolicy)
		}
		text, err := policyText(*row.Value.Policy)
		return &model.GetLayerVersionPolicyResponse{Policy: &text, RevisionId: new(row.Value.Policy.RevisionID)}, err
	})
}
