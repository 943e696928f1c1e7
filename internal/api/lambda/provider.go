package lambda

import (
	"context"
	"maps"
	"slices"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func (s *Service) createProvider(ctx context.Context, in *model.CreateCapacityProviderRequest) (*model.CreateCapacityProviderResponse, error) {
	p, err := s.draftProvider(ctx, in)
	if err != nil {
		return nil, err
	}
	commit := func(tx *view.Tx) error { return s.addProvider(tx, p) }
	if err := s.rehearse(ctx, commit); err != nil {
		return nil, err
	}
	if err := s.checkRole(ctx, p.Scope, p.OperatorRoleARN, textOperatorRole); err != nil {
		return nil, err
	}
	if s.at(s.View).firstProvider(p.Account) {
		if err := s.OnFirstProvider(ctx, p.Account); err != nil {
			return nil, err
		}
	}
	if _, err := s.View.Update(ctx, commit); err != nil {
		return nil, err
	}
	return &model.CreateCapacityProviderResponse{CapacityProvider: providerAnswer(p, lamina.StatePending)}, nil
}

// draftProvider is the provider that a request describes, by the rules that need
// nothing but the request.
func (s *Service) draftProvider(ctx context.Context, in *model.CreateCapacityProviderRequest) (lamina.CapacityProvider, error) {
	scope := lamina.CallerFrom(ctx).Scope
	p := lamina.CapacityProvider{
		Scope:            scope,
		Name:             lamina.CapacityProviderName(*in.CapacityProviderName),
		SubnetIDs:        slices.Clone(in.VpcConfig.SubnetIds),
		SecurityGroupIDs: slices.Clone(in.VpcConfig.SecurityGroupIds),
		OperatorRoleARN:  *in.PermissionsConfig.CapacityProviderOperatorRoleArn,
		PropagateTags:    propagatedTags(in.PropagateTags),
		Telemetry:        providerLogging(in.TelemetryConfig),
		Tags:             maps.Clone(in.Tags),
		LastModified:     s.Now(),
	}
	set(&p.KMSKeyARN, in.KmsKeyArn)
	if p.Name != *in.CapacityProviderName && p.ARN() != *in.CapacityProviderName {
		return p, unknownProvider(*in.CapacityProviderName) // an ARN of elsewhere
	}
	if err := checkTags(p.Tags); err != nil {
		return p, err
	}
	if err := s.requirements(&p, in.InstanceRequirements); err != nil {
		return p, err
	}
	if in.CapacityProviderScalingConfig != nil {
		p.Scaling = new(scalingOf(in.CapacityProviderScalingConfig, lamina.ProviderScaling{}))
		return p, checkProviderScaling(*p.Scaling)
	}
	return p, nil
}

// requirements keeps lists that were not sent apart from empty ones.
func (s *Service) requirements(p *lamina.CapacityProvider, in *model.InstanceRequirements) error {
	if in == nil {
		return nil
	}
	if len(in.AllowedInstanceTypes) > 0 && len(in.ExcludedInstanceTypes) > 0 {
		return lamina.Errorf(lamina.CodeInvalidParameter, textTypeLists)
	}
	for _, name := range in.AllowedInstanceTypes {
		if err := s.AcceptType(name); err != nil {
			return refusal(err)
		}
	}
	p.Requirements = &lamina.Requirements{
		Architectures: slices.Clone(in.Architectures),
		Allowed:       slices.Clone(in.AllowedInstanceTypes),
		Excluded:      slices.Clone(in.ExcludedInstanceTypes),
	}
	return nil
}

// refusal makes any error one for the caller.
func refusal(err error) error {
	if lamina.ErrorCode(err) != "" {
		return err
	}
	return &lamina.Error{Code: lamina.CodeInvalidParameter, Message: err.Error()}
}

// scalingOf overlays the members that were sent. Turning to Auto drops the
// policies, which it can't have.
func scalingOf(in *model.CapacityProviderScalingConfig, c lamina.ProviderScaling) lamina.ProviderScaling {
	set(&c.MaxVCPU, in.MaxVCpuCount)
	set(&c.Mode, in.ScalingMode)
	if in.ScalingMode != nil && c.Mode == model.CapacityProviderScalingModeAuto {
		c.Policies = nil
	}
	if in.ScalingPolicies != nil {
		c.Policies = nil
		for _, p := range in.ScalingPolicies {
			c.Policies = append(c.Policies, lamina.ScalingPolicy{Metric: *p.PredefinedMetricType, Target: *p.TargetValue})
		}
	}
	return c
}

// checkProviderScaling: no mode is Auto (lmi-service.md 2.6).
func checkProviderScaling(c lamina.ProviderScaling) error {
	manual := c.Mode == model.CapacityProviderScalingModeManual
	switch {
	case !manual && len(c.Policies) > 0:
		return lamina.Errorf(lamina.CodeInvalidParameter, textAutoPolicies)
	case manual && len(c.Policies) == 0:
		return lamina.Errorf(lamina.CodeInvalidParameter, textManualPolicies)
	}
	return nil
}

func propagatedTags(in *model.PropagateTags) *lamina.PropagateTags {
	if in == nil {
		return nil
	}
	out := &lamina.PropagateTags{Explicit: maps.Clone(in.ExplicitTags)}
	set(&out.Mode, in.Mode)
	return out
}

func providerLogging(in *model.CapacityProviderTelemetryConfig) *lamina.ProviderLogging {
	if in == nil || in.LoggingConfig == nil {
		return nil
	}
	out := &lamina.ProviderLogging{}
	set(&out.Group, in.LoggingConfig.LogGroup)
	set(&out.Level, in.LoggingConfig.SystemLogLevel)
	return out
}

// addProvider adds the provider to the transaction.
func (s *Service) addProvider(tx *view.Tx, p lamina.CapacityProvider) error {
	r := s.at(tx)
	if r.providers.Has(p.Key()) {
		return lamina.Errorf(lamina.CodeResourceConflict, textProviderExists, p.ARN())
	}
	tx.Guard(s.Tables.Providers.Absent(p.Key()))
	if _, err := s.place(tx, p.Scope, p.SubnetIDs, p.SecurityGroupIDs); err != nil {
		return err
	}
	prefix := scopePrefix(p.Scope)
	switch n := r.countProviders(prefix); {
	case n >= lamina.MaxProviders:
		return lamina.Errorf(codeProviderLimit, textProviderLimit, lamina.MaxProviders)
	case n >= lamina.MaxProviders/2: // near the limit, others may not add any meanwhile
		tx.Guard(s.Tables.Providers.PrefixUnchanged(prefix, tx.Revision()))
	}
	return tx.Do(s.Tables.Providers.Put(p.Key(), p))
}

func (r rows) countProviders(prefix string) int {
	n := 0
	for row := range r.providers.Scan(prefix) {
		if !row.Value.Hidden {
			n++
		}
	}
	return n
}

func (r rows) firstProvider(account string) bool { return r.countProviders(account+"/") == 0 }

// updateProvider changes what can be changed of a provider.
func (s *Service) updateProvider(ctx context.Context, in *model.UpdateCapacityProviderRequest) (*model.UpdateCapacityProviderResponse, error) {
	p, state, err := s.changeProvider(ctx, *in.CapacityProviderName, func(tx *view.Tx, p *lamina.CapacityProvider) error {
		if p.Deleting {
			return lamina.Errorf(lamina.CodeResourceConflict, textProviderState, lamina.StateDeleting)
		}
		if in.CapacityProviderScalingConfig != nil {
			var former lamina.ProviderScaling
			set(&former, p.Scaling)
			p.Scaling = new(scalingOf(in.CapacityProviderScalingConfig, former))
			if err := checkProviderScaling(*p.Scaling); err != nil {
				return err
			}
		}
		if in.PropagateTags != nil {
			p.PropagateTags = propagatedTags(in.PropagateTags)
		}
		if in.TelemetryConfig != nil {
			p.Telemetry = providerLogging(in.TelemetryConfig)
		}
		p.LastModified = s.Now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.UpdateCapacityProviderResponse{CapacityProvider: providerAnswer(p, state)}, nil
}

// deleteProvider marks the provider; the controller removes it. Doing so again
// while it goes away answers the same.
func (s *Service) deleteProvider(ctx context.Context, in *model.DeleteCapacityProviderRequest) (*model.DeleteCapacityProviderResponse, error) {
	p, _, err := s.changeProvider(ctx, *in.CapacityProviderName, func(tx *view.Tx, p *lamina.CapacityProvider) error {
		if n := s.at(tx).users(*p); n > 0 {
			return lamina.Errorf(lamina.CodeResourceConflict, textProviderInUse, n, p.ARN())
		}
		prefix := scopePrefix(p.Scope)
		tx.Guard(
			s.Tables.Functions.PrefixUnchanged(prefix, tx.Revision()),
			s.Tables.Versions.PrefixUnchanged(prefix, tx.Revision()),
		)
		p.Deleting = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.DeleteCapacityProviderResponse{CapacityProvider: providerAnswer(p, lamina.StateDeleting)}, nil
}

// users counts the functions that name the provider, by $LATEST or any version.
func (r rows) users(p lamina.CapacityProvider) int {
	names := map[string]bool{}
	for row := range r.functions.Scan(scopePrefix(p.Scope)) {
		if c := row.Value.Config.Capacity; c != nil && c.ProviderARN == p.ARN() {
			names[row.Value.Name] = true
		}
	}
	for row := range r.versions.Scan(scopePrefix(p.Scope)) {
		if c := row.Value.Config.Capacity; c != nil && c.ProviderARN == p.ARN() {
			names[row.Value.Function] = true
		}
	}
	return len(names)
}
