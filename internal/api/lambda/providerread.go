package lambda

import (
	"context"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// provider finds a provider by name or ARN. The hidden fleet of ordinary
// functions is none.
func (r rows) provider(scope lamina.Scope, nameOrARN string) (view.Row[lamina.CapacityProvider], error) {
	name := lamina.CapacityProviderName(nameOrARN)
	arn := nameOrARN
	if name == nameOrARN {
		arn = lamina.CapacityProviderARN(scope, name)
	}
	return r.providerByARN(scope, arn)
}

// changeProvider edits a provider in one commit.
func (s *Service) changeProvider(ctx context.Context, nameOrARN string, fn func(*view.Tx, *lamina.CapacityProvider) error) (lamina.CapacityProvider, lamina.State, error) {
	scope := lamina.CallerFrom(ctx).Scope
	var state lamina.State
	p, err := caughtUp(ctx, s, func() (lamina.CapacityProvider, error) {
		var p lamina.CapacityProvider
		_, err := s.View.Update(ctx, func(tx *view.Tx) error {
			row, err := s.at(tx).provider(scope, nameOrARN)
			if err != nil {
				return err
			}
			p, state = row.Value, s.at(tx).providerState(row.Value)
			if err := fn(tx, &p); err != nil {
				return err
			}
			tx.Guard(s.Tables.Providers.AtRevision(row))
			return tx.Do(s.Tables.Providers.Put(row.Key, p))
		})
		return p, err
	})
	return p, state, err
}

func (s *Service) getProvider(ctx context.Context, in *model.GetCapacityProviderRequest) (*model.GetCapacityProviderResponse, error) {
	scope := lamina.CallerFrom(ctx).Scope
	return caughtUp(ctx, s, func() (*model.GetCapacityProviderResponse, error) {
		r := s.at(s.View)
		row, err := r.provider(scope, *in.CapacityProviderName)
		if err != nil {
			return nil, err
		}
		return &model.GetCapacityProviderResponse{CapacityProvider: providerAnswer(row.Value, r.providerState(row.Value))}, nil
	})
}

func (s *Service) listProviders(ctx context.Context, in *model.ListCapacityProvidersRequest) (*model.ListCapacityProvidersResponse, error) {
	r := s.at(s.View)
	var all []lamina.CapacityProvider
	for row := range r.providers.Scan(scopePrefix(lamina.CallerFrom(ctx).Scope)) {
		p := row.Value
		if p.Hidden || in.State != nil && *in.State != string(r.providerState(p)) {
			continue
		}
		all = append(all, p)
	}
	items, next, err := page(all, lamina.CapacityProvider.Key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &model.ListCapacityProvidersResponse{CapacityProviders: []model.CapacityProvider{}, NextMarker: next}
	for _, p := range items {
		out.CapacityProviders = append(out.CapacityProviders, *providerAnswer(p, r.providerState(p)))
	}
	return out, nil
}

func (s *Service) listProviderVersions(ctx context.Context, in *model.ListFunctionVersionsByCapacityProviderRequest) (*model.ListFunctionVersionsByCapacityProviderResponse, error) {
	scope := lamina.CallerFrom(ctx).Scope
	return caughtUp(ctx, s, func() (*model.ListFunctionVersionsByCapacityProviderResponse, error) {
		r := s.at(s.View)
		row, err := r.provider(scope, *in.CapacityProviderName)
		if err != nil {
			return nil, err
		}
		items, next, err := page(r.versionsOn(row.Value), lamina.Version.Key, in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &model.ListFunctionVersionsByCapacityProviderResponse{
			CapacityProviderArn: new(row.Value.ARN()),
			FunctionVersions:    []model.FunctionVersionsByCapacityProviderListItem{},
			NextMarker:          next,
		}
		for _, v := range items {
			f, _ := r.functions.Get(lamina.Key(v.Account, v.Region, v.Function))
			item := model.FunctionVersionsByCapacityProviderListItem{
				FunctionArn: new(v.ARN()), State: new(string(r.version(f.Value, v).state)),
			}
			out.FunctionVersions = append(out.FunctionVersions, item)
		}
		return out, nil
	})
}

// versionsOn lists the published versions on a provider.
func (r rows) versionsOn(p lamina.CapacityProvider) []lamina.Version {
	var all []lamina.Version
	for row := range r.versions.Scan(scopePrefix(p.Scope)) {
		if c := row.Value.Config.Capacity; c != nil && c.ProviderARN == p.ARN() {
			all = append(all, row.Value)
		}
	}
	return all
}

// providerAnswer echoes what was configured: what was not sent stays absent, or
// Terraform finds its result inconsistent.
func providerAnswer(p lamina.CapacityProvider, state lamina.State) *model.CapacityProvider {
	out := &model.CapacityProvider{
		CapacityProviderArn: new(p.ARN()),
		State:               new(string(state)),
		VpcConfig:           &model.CapacityProviderVpcConfig{SubnetIds: p.SubnetIDs, SecurityGroupIds: p.SecurityGroupIDs},
		PermissionsConfig:   &model.CapacityProviderPermissionsConfig{CapacityProviderOperatorRoleArn: &p.OperatorRoleARN},
		KmsKeyArn:           given(p.KMSKeyARN),
		LastModified:        timestamp(p.LastModified),
	}
	if q := p.Requirements; q != nil {
		out.InstanceRequirements = &model.InstanceRequirements{
			Architectures: q.Architectures, AllowedInstanceTypes: q.Allowed, ExcludedInstanceTypes: q.Excluded,
		}
	}
	if p.Scaling != nil {
		out.CapacityProviderScalingConfig = describeProviderScaling(*p.Scaling)
	}
	if t := p.PropagateTags; t != nil {
		out.PropagateTags = &model.PropagateTags{Mode: given(t.Mode), ExplicitTags: t.Explicit}
	}
	if l := p.Telemetry; l != nil {
		out.TelemetryConfig = &model.CapacityProviderTelemetryConfig{
			LoggingConfig: &model.CapacityProviderLoggingConfig{LogGroup: given(l.Group), SystemLogLevel: given(l.Level)},
		}
	}
	return out
}

func describeProviderScaling(c lamina.ProviderScaling) *model.CapacityProviderScalingConfig {
	out := &model.CapacityProviderScalingConfig{ScalingMode: given(c.Mode)}
	if c.MaxVCPU != 0 {
		out.MaxVCpuCount = &c.MaxVCPU
	}
	for _, p := range c.Policies {
		policy := model.TargetTrackingScalingPolicy{PredefinedMetricType: &p.Metric, TargetValue: &p.Target}
		out.ScalingPolicies = append(out.ScalingPolicies, policy)
	}
	return out
}
