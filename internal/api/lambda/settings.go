package lambda

import (
	"context"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func (s *Service) getAccountSettings(ctx context.Context, _ *model.GetAccountSettingsRequest) (*model.GetAccountSettingsResponse, error) {
	r, scope := s.at(s.View), lamina.CallerFrom(ctx).Scope
	usage := model.AccountUsage{FunctionCount: new(int64), TotalCodeSize: new(int64)}
	for row := range r.functions.Scan(scopePrefix(scope)) {
		*usage.FunctionCount++
		*usage.TotalCodeSize += row.Value.Config.CodeSize
	}
	for row := range r.versions.Scan(scopePrefix(scope)) {
		if row.Value.Qualifier != lamina.Latest {
			*usage.TotalCodeSize += row.Value.Config.CodeSize
		}
	}
	return &model.GetAccountSettingsResponse{
		AccountLimit: &model.AccountLimit{
			TotalCodeSize:                  new(int64(maxCodeStorage)),
			CodeSizeUnzipped:               new(int64(maxUnzipped)),
			CodeSizeZipped:                 new(int64(maxZipped)),
			ConcurrentExecutions:           new(int32(accountConcurrency)),
			UnreservedConcurrentExecutions: new(r.unreserved(scope, "")),
		},
		AccountUsage: &usage,
	}, nil
}

// unreserved is the account's concurrency that no function but the named one has
// set aside.
func (r rows) unreserved(scope lamina.Scope, except string) int32 {
	left := int32(accountConcurrency)
	for row := range r.functions.Scan(scopePrefix(scope)) {
		if row.Value.Reserved != nil && row.Value.Name != except {
			left -= *row.Value.Reserved
		}
	}
	return left
}

// leftOver is what one state of the functions' table leaves unreserved.
type leftOver struct {
	functions view.Rows[lamina.Function]
	n         int32
}

// shared is the concurrency that a function takes part in, and how much that is:
// its account's, unless it has set some aside for itself or is managed, whose
// limit is its environments' slots (lmi-service.md 8: inferred). The sum is made
// once for each state of the functions.
func (s *Service) shared(f lamina.Function) (account string, limit int32) {
	if f.Config.Managed() || f.Reserved != nil {
		return "", 0
	}
	r := s.at(s.View)
	known, _ := s.leftOver.Load(f.Scope)
	left, ok := known.(leftOver)
	if !ok || left.functions != r.functions {
		left = leftOver{r.functions, r.unreserved(f.Scope, "")}
		s.leftOver.Store(f.Scope, left)
	}
	return scopePrefix(f.Scope), left.n
}

// wholeFunction refuses the name of a version or alias.
func wholeFunction(ctx context.Context, name string) (target, error) {
	t, err := parseTarget(ctx, name, nil)
	if err == nil && t.qualifier != "" {
		err = lamina.Errorf(lamina.CodeInvalidParameter, textFunctionsOnly)
	}
	return t, err
}

func (s *Service) putConcurrency(ctx context.Context, in *model.PutFunctionConcurrencyRequest) (*model.Concurrency, error) {
	t, err := wholeFunction(ctx, *in.FunctionName)
	if err != nil {
		return nil, err
	}
	f, err := s.change(ctx, t, func(tx *view.Tx, f *lamina.Function) error {
		wanted := *in.ReservedConcurrentExecutions
		if wanted > 0 && s.at(tx).unreserved(f.Scope, f.Name)-wanted < minUnreserved {
			return lamina.Errorf(lamina.CodeInvalidParameter, textReservedTooMany, minUnreserved)
		}
		tx.Guard(s.Tables.Functions.PrefixUnchanged(scopePrefix(f.Scope), tx.Revision()))
		f.Reserved = &wanted
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.Concurrency{ReservedConcurrentExecutions: f.Reserved}, nil
}

func (s *Service) getConcurrency(ctx context.Context, in *model.GetFunctionConcurrencyRequest) (*model.GetFunctionConcurrencyResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, nil, func(_ target, f lamina.Function) (*model.GetFunctionConcurrencyResponse, error) {
		return &model.GetFunctionConcurrencyResponse{ReservedConcurrentExecutions: f.Reserved}, nil
	})
}

func (s *Service) deleteConcurrency(ctx context.Context, in *model.DeleteFunctionConcurrencyRequest) (*awsproto.Empty, error) {
	t, err := wholeFunction(ctx, *in.FunctionName)
	if err != nil {
		return nil, err
	}
	_, err = s.change(ctx, t, func(_ *view.Tx, f *lamina.Function) error {
		f.Reserved = nil
		return nil
	})
	return nil, err
}

// ofFunction answers from a function that must exist.
func ofFunction[T any](ctx context.Context, s *Service, name string, qualifier *string, fn func(t target, f lamina.Function) (T, error)) (T, error) {
	t, err := parseTarget(ctx, name, qualifier)
	if err != nil {
		var none T
		return none, err
	}
	return look(ctx, s, t, func(_ rows, f lamina.Function) (T, error) { return fn(t, f) })
}

// getCodeSigning says that no code signing is configured; Terraform asks.
func (s *Service) getCodeSigning(ctx context.Context, in *model.GetFunctionCodeSigningConfigRequest) (*model.GetFunctionCodeSigningConfigResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, nil, func(_ target, f lamina.Function) (*model.GetFunctionCodeSigningConfigResponse, error) {
		return &model.GetFunctionCodeSigningConfigResponse{FunctionName: &f.Name}, nil
	})
}

func (s *Service) getEventInvoke(ctx context.Context, in *model.GetFunctionEventInvokeConfigRequest) (*model.FunctionEventInvokeConfig, error) {
	return ofFunction(ctx, s, *in.FunctionName, in.Qualifier, func(t target, _ lamina.Function) (*model.FunctionEventInvokeConfig, error) {
		if t.qualifier == "" {
			t.qualifier = lamina.Latest
		}
		return nil, lamina.Errorf(lamina.CodeResourceNotFound, textNoEventInvoke, t.arn())
	})
}

func (s *Service) getURL(ctx context.Context, in *model.GetFunctionUrlConfigRequest) (*model.GetFunctionUrlConfigResponse, error) {
	return nil, lamina.Errorf(lamina.CodeResourceNotFound, textResourceMissing)
}

func (s *Service) getProvisioned(ctx context.Context, in *model.GetProvisionedConcurrencyConfigRequest) (*model.GetProvisionedConcurrencyConfigResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, in.Qualifier, func(t target, _ lamina.Function) (*model.GetProvisionedConcurrencyConfigResponse, error) {
		if t.qualifier == lamina.Latest {
			return nil, lamina.Errorf(lamina.CodeInvalidParameter, textProvisionedLatest)
		}
		return nil, lamina.Errorf(codeProvisionedAbsent, textNoProvisioned)
	})
}

// The lists of what this server does not have yet are empty.

func (s *Service) listEventInvoke(ctx context.Context, in *model.ListFunctionEventInvokeConfigsRequest) (*model.ListFunctionEventInvokeConfigsResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, nil, func(target, lamina.Function) (*model.ListFunctionEventInvokeConfigsResponse, error) {
		return &model.ListFunctionEventInvokeConfigsResponse{FunctionEventInvokeConfigs: []model.FunctionEventInvokeConfig{}}, nil
	})
}

func (s *Service) listURLs(ctx context.Context, in *model.ListFunctionUrlConfigsRequest) (*model.ListFunctionUrlConfigsResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, nil, func(target, lamina.Function) (*model.ListFunctionUrlConfigsResponse, error) {
		return &model.ListFunctionUrlConfigsResponse{FunctionUrlConfigs: []model.FunctionUrlConfig{}}, nil
	})
}

func (s *Service) listProvisioned(ctx context.Context, in *model.ListProvisionedConcurrencyConfigsRequest) (*model.ListProvisionedConcurrencyConfigsResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, nil, func(target, lamina.Function) (*model.ListProvisionedConcurrencyConfigsResponse, error) {
		return &model.ListProvisionedConcurrencyConfigsResponse{ProvisionedConcurrencyConfigs: []model.ProvisionedConcurrencyConfigListItem{}}, nil
	})
}

func (s *Service) listMappings(context.Context, *model.ListEventSourceMappingsRequest) (*model.ListEventSourceMappingsResponse, error) {
	return &model.ListEventSourceMappingsResponse{EventSourceMappings: []model.EventSourceMappingConfiguration{}}, nil
}
