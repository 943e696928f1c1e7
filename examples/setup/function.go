package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Latest is the qualifier of what PublishTo publishes.
const Latest = "$LATEST.PUBLISHED"

// Provider finds or makes a capacity provider, waits until it is active, and gives its ARN.
func (c *Clients) Provider(ctx context.Context, name string, n Network, operatorRole string, scaling *types.CapacityProviderScalingConfig) (string, error) {
	_, err := c.Lambda.CreateCapacityProvider(ctx, &lambda.CreateCapacityProviderInput{
		CapacityProviderName:          &name,
		VpcConfig:                     &types.CapacityProviderVpcConfig{SubnetIds: n.Subnets, SecurityGroupIds: []string{n.Group}},
		PermissionsConfig:             &types.CapacityProviderPermissionsConfig{CapacityProviderOperatorRoleArn: &operatorRole},
		CapacityProviderScalingConfig: scaling,
	})
	if _, exists := errors.AsType[*types.ResourceConflictException](err); err != nil && !exists {
		return "", fmt.Errorf("creating capacity provider %s: %w", name, err)
	}
	for {
		got, err := c.Lambda.GetCapacityProvider(ctx, &lambda.GetCapacityProviderInput{CapacityProviderName: &name})
		if err != nil {
			return "", fmt.Errorf("waiting for capacity provider %s: %w", name, err)
		}
		switch got.CapacityProvider.State {
		case types.CapacityProviderStateActive:
			return *got.CapacityProvider.CapacityProviderArn, nil
		case types.CapacityProviderStatePending:
		default:
			return "", fmt.Errorf("capacity provider %s is %s", name, got.CapacityProvider.State)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// Function is a function to publish on a capacity provider.
type Function struct {
	Name, Role, Provider string
	Runtime              types.Runtime
	Handler              string
	Zip                  []byte
	MemoryMB             int32 // 0: 2048, the least that managed instances take
	MaxConcurrency       int32 // slots per environment; 0: AWS's default
	Variables            map[string]string
}

// Input is the CreateFunction request that publishes the function to $LATEST.PUBLISHED.
func (f Function) Input() *lambda.CreateFunctionInput {
	if f.MemoryMB == 0 {
		f.MemoryMB = 2048
	}
	managed := &types.LambdaManagedInstancesCapacityProviderConfig{CapacityProviderArn: &f.Provider}
	if f.MaxConcurrency > 0 {
		managed.PerExecutionEnvironmentMaxConcurrency = &f.MaxConcurrency
	}
	in := &lambda.CreateFunctionInput{
		FunctionName: &f.Name, Role: &f.Role, Runtime: f.Runtime, Handler: &f.Handler, MemorySize: &f.MemoryMB,
		Timeout:                new(int32(30)),
		Code:                   &types.FunctionCode{ZipFile: f.Zip},
		CapacityProviderConfig: &types.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: managed},
		Publish:                true,
		PublishTo:              types.FunctionVersionLatestPublishedLatestPublished,
	}
	if f.Variables != nil {
		in.Environment = &types.Environment{Variables: f.Variables}
	}
	return in
}

// updateLimit is how long an update of $LATEST may take; chosen, far above what it needs.
const updateLimit = time.Minute

// Publish creates the function and publishes it; a function of that name gets the
// new runtime, handler and code and is published anew.
func (c *Clients) Publish(ctx context.Context, f Function) error {
	_, err := c.Lambda.CreateFunction(ctx, f.Input())
	if _, exists := errors.AsType[*types.ResourceConflictException](err); !exists {
		if err != nil {
			return fmt.Errorf("creating function %s: %w", f.Name, err)
		}
		return nil
	}
	if _, err := c.Lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &f.Name, Runtime: f.Runtime, Handler: &f.Handler}); err != nil {
		return fmt.Errorf("updating the configuration of %s: %w", f.Name, err)
	}
	if err := c.waitUpdated(ctx, f.Name, "$LATEST", updateLimit); err != nil {
		return err
	}
	if _, err := c.Lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &f.Name, ZipFile: f.Zip}); err != nil {
		return fmt.Errorf("updating the code of %s: %w", f.Name, err)
	}
	if err := c.waitUpdated(ctx, f.Name, "$LATEST", updateLimit); err != nil {
		return err
	}
	_, err = c.Lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: &f.Name, PublishTo: types.FunctionVersionLatestPublishedLatestPublished})
	if err != nil {
		return fmt.Errorf("publishing %s: %w", f.Name, err)
	}
	return nil
}

// waitUpdated waits until an update of a qualifier is through.
func (c *Clients) waitUpdated(ctx context.Context, function, qualifier string, limit time.Duration) error {
	w := lambda.NewFunctionUpdatedV2Waiter(c.Lambda, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	if err := w.Wait(ctx, &lambda.GetFunctionInput{FunctionName: &function, Qualifier: &qualifier}, limit); err != nil {
		return fmt.Errorf("waiting for the update of %s: %w", function, err)
	}
	return nil
}

// WaitActive waits, with the SDK's waiters, until what was published last can be
// invoked: PublishedVersionActive for the state, FunctionUpdatedV2 for the newest
// publish into a version that is active already. A failure is an error with AWS's reason.
func (c *Clients) WaitActive(ctx context.Context, function string, limit time.Duration) error {
	in := &lambda.GetFunctionConfigurationInput{FunctionName: &function, Qualifier: new(Latest)}
	active := lambda.NewPublishedVersionActiveWaiter(c.Lambda, func(o *lambda.PublishedVersionActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	err := active.Wait(ctx, in, limit)
	if err == nil {
		err = c.waitUpdated(ctx, function, Latest, limit)
	}
	if err == nil {
		return nil
	}
	got, getErr := c.Lambda.GetFunctionConfiguration(ctx, in)
	switch {
	case getErr != nil:
	case got.State == types.StateFailed:
		return failed(string(got.StateReasonCode), got.StateReason)
	case got.LastUpdateStatus == types.LastUpdateStatusFailed:
		return failed(string(got.LastUpdateStatusReasonCode), got.LastUpdateStatusReason)
	}
	return fmt.Errorf("waiting for %s:%s: %w", function, Latest, err)
}

func failed(code string, reason *string) *FailedError {
	f := &FailedError{Code: types.StateReasonCode(code)}
	if reason != nil {
		f.Reason = *reason
	}
	return f
}

// FailedError says why a version failed.
type FailedError struct {
	Code   types.StateReasonCode
	Reason string
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("the version failed: %s: %s", e.Code, e.Reason)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
