package lambda

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// statement is one statement of a resource policy as IAM writes it.
type statement struct {
	Sid       string
	Effect    string
	Principal any
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

// document renders the statement that a request describes.
func document(t target, in *model.AddPermissionRequest) (string, error) {
	who, err := principal(*in.Principal)
	if err != nil {
		return "", err
	}
	st := statement{
		Sid: *in.StatementId, Effect: "Allow", Principal: who, Action: *in.Action, Resource: t.arn(),
		Condition: map[string]map[string]string{},
	}
	condition := func(operator, key string, value *string) {
		if value == nil {
			return
		}
		if st.Condition[operator] == nil {
			st.Condition[operator] = map[string]string{}
		}
		st.Condition[operator][key] = *value
	}
	condition("ArnLike", "AWS:SourceArn", in.SourceArn)
	condition("StringEquals", "AWS:SourceAccount", in.SourceAccount)
	condition("StringEquals", "aws:PrincipalOrgID", in.PrincipalOrgID)
	condition("StringEquals", "lambda:EventSourceToken", in.EventSourceToken)
	condition("StringEquals", "lambda:FunctionUrlAuthType", in.FunctionUrlAuthType)
	raw, err := json.Marshal(st)
	return string(raw), err
}

// principal is a service, an account or anybody.
func principal(p string) (any, error) {
	switch {
	case p == "*":
		return p, nil
	case isNumber(p) && len(p) == 12:
		return map[string]string{"AWS": "arn:aws:iam::" + p + ":root"}, nil
	case strings.HasPrefix(p, "arn:"):
		return map[string]string{"AWS": p}, nil
	case strings.HasSuffix(p, ".amazonaws.com"):
		return map[string]string{"Service": p}, nil
	}
	return nil, lamina.Errorf(lamina.CodeInvalidParameter, textPrincipal)
}

// changePolicy edits the policy of the function or of one qualifier of it.
func (s *Service) changePolicy(ctx context.Context, t target, expected *string, fn func(*lamina.ResourcePolicy) error) error {
	_, err := s.change(ctx, t, func(tx *view.Tx, f *lamina.Function) error {
		if _, err := s.at(tx).describe(t, *f); err != nil {
			return err // no such qualifier
		}
		if err := s.renew(tx, t, f, expected); err != nil {
			return err
		}
		policy := f.Policies[t.qualifier]
		policy.Statements = slices.Clone(policy.Statements)
		if err := fn(&policy); err != nil {
			return err
		}
		f.Policies = maps.Clone(f.Policies)
		if f.Policies == nil {
			f.Policies = map[string]lamina.ResourcePolicy{}
		}
		f.Policies[t.qualifier] = policy
		if len(policy.Statements) == 0 {
			delete(f.Policies, t.qualifier)
		}
		return nil
	})
	return err
}

// renew gives what a policy belongs to another RevisionId, which is the policy's
// too (seen on AWS for functions; for versions and aliases taken to be the same).
func (s *Service) renew(tx *view.Tx, t target, f *lamina.Function, expected *string) error {
	r := s.at(tx)
	if err := checkRevision(expected, r.policyRevision(t, *f), "GetPolicy"); err != nil {
		return err
	}
	if t.qualifier == "" {
		f.RevisionID = newRevision()
		return nil
	}
	key := t.versionKey(t.qualifier)
	if row, ok := r.versions.Get(key); ok {
		row.Value.RevisionID = newRevision()
		tx.Guard(s.Tables.Versions.AtRevision(row))
		return tx.Do(s.Tables.Versions.Put(key, row.Value))
	}
	row, _ := r.aliases.Get(key) // exists: the target was described
	row.Value.RevisionID = newRevision()
	tx.Guard(s.Tables.Aliases.AtRevision(row))
	return tx.Do(s.Tables.Aliases.Put(key, row.Value))
}

// policyRevision is the RevisionId of what the policy of a target belongs to.
func (r rows) policyRevision(t target, f lamina.Function) string {
	if t.qualifier == "" {
		return r.revision(f)
	}
	key := t.versionKey(t.qualifier)
	if row, ok := r.versions.Get(key); ok {
		return row.Value.RevisionID
	}
	row, _ := r.aliases.Get(key)
	return row.Value.RevisionID
}

func withID(id string) func(lamina.PolicyStatement) bool {
	return func(st lamina.PolicyStatement) bool { return st.ID == id }
}

func (s *Service) addPermission(ctx context.Context, in *model.AddPermissionRequest) (*model.AddPermissionResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if t.qualifier == lamina.Latest {
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textPolicyLatest)
	}
	text, err := document(t, in)
	if err != nil {
		return nil, err
	}
	err = s.changePolicy(ctx, t, in.RevisionId, func(p *lamina.ResourcePolicy) error {
		if slices.ContainsFunc(p.Statements, withID(*in.StatementId)) {
			return lamina.Errorf(lamina.CodeResourceConflict, textStatementExists, *in.StatementId)
		}
		p.Statements = append(p.Statements, lamina.PolicyStatement{ID: *in.StatementId, Document: text})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.AddPermissionResponse{Statement: &text}, nil
}

func (s *Service) removePermission(ctx context.Context, in *model.RemovePermissionRequest) (*awsproto.Empty, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, t, in.RevisionId, func(p *lamina.ResourcePolicy) error {
		if len(p.Statements) == 0 {
			return lamina.Errorf(lamina.CodeResourceNotFound, textNoPolicy)
		}
		before := len(p.Statements)
		p.Statements = slices.DeleteFunc(p.Statements, withID(*in.StatementId))
		if len(p.Statements) == before {
			return lamina.Errorf(lamina.CodeResourceNotFound, textStatementMissing, *in.StatementId)
		}
		return nil
	})
}

func (s *Service) getPolicy(ctx context.Context, in *model.GetPolicyRequest) (*model.GetPolicyResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return caughtUp(ctx, s, func() (*model.GetPolicyResponse, error) {
		r := s.at(s.View)
		row, err := r.function(t)
		policy := row.Value.Policies[t.qualifier]
		if err != nil || len(policy.Statements) == 0 {
			return nil, lamina.Errorf(lamina.CodeResourceNotFound, textResourceMissing)
		}
		text, err := policyText(policy)
		return &model.GetPolicyResponse{Policy: &text, RevisionId: new(r.policyRevision(t, row.Value))}, err
	})
}

// policyText is a resource policy as IAM writes it.
func policyText(p lamina.ResourcePolicy) (string, error) {
	statements := []json.RawMessage{}
	for _, st := range p.Statements {
		statements = append(statements, json.RawMessage(st.Document))
	}
	raw, err := json.Marshal(struct {
		Version   string
		ID        string `json:"Id"`
		Statement []json.RawMessage
	}{"2012-10-17", "default", statements})
	return string(raw), err
}
