package lambda

import (
	"cmp"
	"context"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// bindCapacity puts a request's capacity settings into the configuration. What
// it leaves out gets its default anew, also in an update.
func bindCapacity(c *lamina.FunctionConfig, in *model.CapacityProviderConfig) error {
	if in == nil {
		return nil
	}
	if !c.Managed() {
		return lamina.Errorf(lamina.CodeInvalidParameter, textOrdinaryProvider)
	}
	wanted := in.LambdaManagedInstancesCapacityProviderConfig
	capacity := lamina.FunctionCapacity{ProviderARN: *wanted.CapacityProviderArn, GiBPerVCPU: defaultRatio}
	set(&capacity.GiBPerVCPU, wanted.ExecutionEnvironmentMemoryGiBPerVCpu)
	set(&capacity.MaxConcurrency, wanted.PerExecutionEnvironmentMaxConcurrency)
	c.Capacity = &capacity
	return nil
}

// fillSlots gives a function without a chosen concurrency its runtime's default.
func fillSlots(c *lamina.FunctionConfig) {
	if !c.Managed() || c.Capacity.MaxConcurrency != 0 {
		return
	}
	vcpus, _ := wholeVCPUs(c.MemoryMB, c.Capacity.GiBPerVCPU)
	capacity := *c.Capacity // the row's own one is shared
	capacity.MaxConcurrency = min(defaultSlots(cmp.Or(c.Runtime, imageLanguage), max(1, vcpus)), maxSlots)
	c.Capacity = &capacity
}

// providerByARN finds the provider that a function's ARN names.
func (r rows) providerByARN(scope lamina.Scope, arn string) (view.Row[lamina.CapacityProvider], error) {
	name := lamina.CapacityProviderName(arn)
	row, ok := r.providers.Get(lamina.Key(scope.Account, scope.Region, name))
	if !ok || row.Value.Hidden || row.Value.ARN() != arn {
		return row, unknownProvider(arn)
	}
	return row, nil
}

// checkProvider says whether the configuration's provider takes the function,
// and guards that it stays so until the commit.
func (s *Service) checkProvider(tx *view.Tx, scope lamina.Scope, c lamina.FunctionConfig) error {
	if !c.Managed() {
		return nil
	}
	row, err := s.at(tx).providerByARN(scope, c.Capacity.ProviderARN)
	if err != nil {
		return err
	}
	tx.Guard(s.Tables.Providers.AtRevision(row))
	switch provider := row.Value; {
	case provider.Deleting:
		return lamina.Errorf(lamina.CodeResourceConflict, textProviderState, lamina.StateDeleting)
	case provider.Architecture() != c.Architecture:
		return lamina.Errorf(lamina.CodeInvalidParameter, textArchitecture, c.Architecture, provider.Architecture())
	}
	return nil
}

// checkRole says whether Lambda may run code as the role.
func (s *Service) checkRole(ctx context.Context, scope lamina.Scope, roleARN, refusal string) error {
	_, _, account, _, ok := lamina.SplitARN(roleARN)
	if ok && account != scope.Account {
		return lamina.Errorf(lamina.CodeAccessDenied, textCrossAccountRole)
	}
	err := s.Roles.AssumableByLambda(ctx, roleARN)
	if lamina.ErrorCode(err) != "" {
		return &lamina.Error{Code: lamina.CodeInvalidParameter, Message: refusal, Cause: err}
	}
	return err
}
