package iam

import (
	"context"
	"encoding/json"
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
	if !ok {
		return lamina.Errorf(lamina.CodeInvalidParameter, textNotAssumable)
	}
	trust, err := ParseTrust(role.TrustPolicy)
	if err != nil || !trust.Trusts("Service", LambdaPrincipal) {
		return lamina.Errorf(lamina.CodeInvalidParameter, textNotAssumable)
	}
	return nil
}

// launchActions are what no instance can be launched without. AWS accepts roles
// with little more (terraform.md 4).
var launchActions = []string{"ec2:RunInstances", "ec2:CreateNetworkInterface"}

// MayLaunch is nil when an operator role can be assumed and is allowed to launch instances.
func (r *Roles) MayLaunch(ctx context.Context, roleARN string) error {
	if err := r.AssumableByLambda(ctx, roleARN); err != nil {
		return err
	}
	role, _ := r.find(roleARN)
	docs := r.documents(role)
	for _, action := range launchActions {
		if !Allowed(docs, action) {
			return fmt.Errorf("role %s does not allow %s; attach the managed policy AWSLambdaManagedEC2ResourceOperator", role.Name, action)
		}
	}
	return nil
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

// documents are all permissions of a role.
func (r *Roles) documents(role lamina.Role) []Document {
	var docs []Document
	add := func(text string) {
		if d, err := Parse(text); err == nil {
			docs = append(docs, d)
		}
	}
	for _, text := range role.Inline {
		add(text)
	}
	for _, arn := range role.Attached {
		if p, ok := FindManaged(arn); ok {
			add(p.Document())
		} else if row, ok := r.Tables.Policies.Get(lamina.Key(role.Account, arn[strings.LastIndex(arn, "/")+1:])); ok {
			add(row.Value.DefaultDocument())
		}
	}
	return docs
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}
