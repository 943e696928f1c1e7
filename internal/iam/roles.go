package iam

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/wire"
)

// LambdaPrincipal is the service that assumes execution and operator roles.
const LambdaPrincipal = "lambda.amazonaws.com"

// Roles answers the service's own questions about roles.
type Roles struct {
	Tables   tables.IAM
	Sessions *Sessions
	Clock    lamina.Clock
}

// textNotAssumable is AWS's own; Terraform retries on it.
const textNotAssumable = "The role defined for the function cannot be assumed by Lambda."

// AssumableByLambda is nil when the role exists and trusts Lambda.
func (r *Roles) AssumableByLambda(_ context.Context, roleARN string) error {
	role, ok := r.find(roleARN)
	if !ok || !canAssume(role, LambdaPrincipal) {
		return lamina.Errorf(lamina.CodeInvalidParameter, textNotAssumable)
	}
	return nil
}

// canAssume says whether a role trusts a service.
func canAssume(role lamina.Role, service string) bool {
	trust, err := ParseTrust(role.TrustPolicy)
	return err == nil && trust.Trusts(map[string][]string{"Service": {service}}, map[string][]string{
		"aws:SourceAccount":             {role.Account},
		"aws:PrincipalIsAWSService":     {"true"},
		"aws:PrincipalServiceName":      {service},
		"aws:PrincipalServiceNamesList": {service},
	})
}

// MayLaunch is nil when an operator role can be assumed and is allowed to launch instances.
func (r *Roles) MayLaunch(ctx context.Context, roleARN string) error {
	if err := r.AssumableByLambda(ctx, roleARN); err != nil {
		return err
	}
	role, _ := r.find(roleARN)
	policies, boundary := r.documents(role)
	if ok, missing := operatorRoleMayLaunch(role, policies, boundary); !ok {
		return fmt.Errorf("role %s does not allow %s; attach the managed policy AWSLambdaManagedEC2ResourceOperator", role.Name, missing)
	}
	return nil
}

// Allows says whether a role's own policies and its boundary allow an action.
// A role that does not exist allows nothing.
func (r *Roles) Allows(_ context.Context, roleARN string, q Request) bool {
	role, ok := r.find(roleARN)
	if !ok {
		return false
	}
	policies, boundary := r.documents(role)
	return Evaluate(policies, q) == Allow && (boundary == nil || Evaluate(boundary, q) == Allow)
}

// ForEnvironment makes the execution role's keys of one environment, valid for
// longer than any environment lives.
func (r *Roles) ForEnvironment(scope lamina.Scope, roleARN, environmentID string) (wire.Credentials, error) {
	_, name, _ := strings.Cut(roleARN, ":role/")
	name = name[strings.LastIndex(name, "/")+1:]
	arn := "arn:aws:sts::" + scope.Account + ":assumed-role/" + name + "/" + environmentID
	userID := environmentID
	if role, ok := r.find(roleARN); ok {
		userID = role.ID + ":" + environmentID
	}
	c, err := r.Sessions.Issue(scope.Account, arn, userID, r.Clock().Add(environmentLife))
	if err != nil {
		return wire.Credentials{}, err
	}
	return wire.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, nil
}

// environmentLife is longer than any environment's (AWS rotates instances
// within 14 days; ours can be kept longer).
const environmentLife = 10 * 365 * 24 * time.Hour

func (r *Roles) find(roleARN string) (lamina.Role, bool) {
	_, _, account, resource, ok := lamina.SplitARN(roleARN)
	path, isRole := strings.CutPrefix(resource, "role/")
	if !ok || !isRole {
		return lamina.Role{}, false
	}
	row, ok := r.Tables.Roles.Get(lamina.Key(account, path[strings.LastIndex(path, "/")+1:]))
	return row.Value, ok && row.Value.ARN() == roleARN
}

// documents are all permissions of a role, and what its boundary permits: nil
// without one. A document that can't be read allows nothing.
func (r *Roles) documents(role lamina.Role) (policies, boundary []Document) {
	add := func(to []Document, text string) []Document {
		d, err := ParsePermissions(text)
		if err != nil {
			return to
		}
		return append(to, d)
	}
	for _, text := range role.Inline {
		policies = add(policies, text)
	}
	for _, arn := range role.Attached {
		policies = add(policies, r.managed(role.Account, arn))
	}
	if role.Boundary != "" {
		boundary = add([]Document{}, r.managed(role.Account, role.Boundary))
	}
	return policies, boundary
}

// managed is the document in force of a managed policy; "" when there is none.
func (r *Roles) managed(account, arn string) string {
	if p, ok := FindManaged(arn); ok {
		return p.Document()
	}
	row, ok := r.Tables.Policies.Get(lamina.Key(account, arn[strings.LastIndex(arn, "/")+1:]))
	if !ok || row.Value.ARN() != arn {
		return ""
	}
	return row.Value.DefaultDocument()
}
