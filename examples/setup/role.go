package setup

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// What the two roles of such a function carry.
const (
	OperatorPolicy  = "arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator"
	ExecutionPolicy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

	lambdaMayAssume = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// Role finds or makes a role that Lambda may assume, attaches the policies, and gives its ARN.
func (c *Clients) Role(ctx context.Context, name string, policies ...string) (string, error) {
	arn, err := c.roleARN(ctx, name)
	if err != nil {
		return "", fmt.Errorf("role %s: %w", name, err)
	}
	for _, policy := range policies {
		if _, err := c.IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &policy}); err != nil {
			return "", fmt.Errorf("attaching %s to %s: %w", policy, name, err)
		}
	}
	return arn, nil
}

func (c *Clients) roleARN(ctx context.Context, name string) (string, error) {
	made, err := c.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(lambdaMayAssume)})
	if _, exists := errors.AsType[*types.EntityAlreadyExistsException](err); exists {
		found, err := c.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		if err != nil {
			return "", err
		}
		return *found.Role.Arn, nil
	}
	if err != nil {
		return "", err
	}
	return *made.Role.Arn, nil
}
