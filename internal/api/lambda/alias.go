package lambda

import (
	"context"
	"maps"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// aliasTarget is the alias of a function that a request names.
func aliasTarget(ctx context.Context, function string, name *string) (target, error) {
	t, err := parseTarget(ctx, function, nil)
	if err == nil && name != nil {
		t.qualifier = *name
	}
	return t, err
}

func aliasAnswer(a lamina.Alias) *model.AliasConfiguration {
	out := &model.AliasConfiguration{
		AliasArn:        new(lamina.FunctionARN(a.Scope, a.Function, a.Name)),
		Name:            &a.Name,
		FunctionVersion: &a.Version,
		Description:     &a.Description,
		RevisionId:      &a.RevisionID,
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &model.AliasRoutingConfiguration{AdditionalVersionWeights: a.Weights}
	}
	return out
}

// changeAliases runs fn over the alias's function in one commit, which guards
// that the function stays.
func (s *Service) changeAliases(ctx context.Context, t target, fn func(tx *view.Tx, f lamina.Function) (lamina.Alias, error)) (*model.AliasConfiguration, error) {
	var a lamina.Alias
	ofFunction := t
	ofFunction.qualifier = ""
	_, err := s.change(ctx, ofFunction, func(tx *view.Tx, f *lamina.Function) (err error) {
		a, err = fn(tx, *f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return aliasAnswer(a), nil
}

func (s *Service) createAlias(ctx context.Context, in *model.CreateAliasRequest) (*model.AliasConfiguration, error) {
	t, err := aliasTarget(ctx, *in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	return s.changeAliases(ctx, t, func(tx *view.Tx, f lamina.Function) (lamina.Alias, error) {
		a := lamina.Alias{
			Scope: f.Scope, Function: f.Name, Name: *in.Name, Version: *in.FunctionVersion,
			Weights: weights(in.RoutingConfig), RevisionID: newRevision(),
		}
		set(&a.Description, in.Description)
		if s.at(tx).aliases.Has(a.Key()) {
			return a, lamina.Errorf(lamina.CodeResourceConflict, textAliasExists, t.arn())
		}
		tx.Guard(s.Tables.Aliases.Absent(a.Key()))
		return a, s.putAlias(tx, t, f, a)
	})
}

func weights(in *model.AliasRoutingConfiguration) map[string]float64 {
	if in == nil {
		return nil
	}
	return maps.Clone(in.AdditionalVersionWeights)
}

// putAlias stores the alias if all versions that it names exist.
func (s *Service) putAlias(tx *view.Tx, t target, f lamina.Function, a lamina.Alias) error {
	if len(a.Weights) > 1 {
		return lamina.Errorf(lamina.CodeInvalidParameter, textRoutingMany)
	}
	if len(a.Weights) > 0 && a.Version == lamina.Latest {
		return lamina.Errorf(lamina.CodeInvalidParameter, textRoutingLatest)
	}
	for version := range a.Weights {
		if version == a.Version {
			return lamina.Errorf(lamina.CodeInvalidParameter, textRoutingSame, version, version)
		}
		if err := s.guardVersion(tx, t, f, version); err != nil {
			return err
		}
	}
	if err := s.guardVersion(tx, t, f, a.Version); err != nil {
		return err
	}
	return tx.Do(s.Tables.Aliases.Put(a.Key(), a))
}

// guardVersion says that the version exists until the commit.
func (s *Service) guardVersion(tx *view.Tx, t target, f lamina.Function, qualifier string) error {
	if qualifier == lamina.Latest {
		return nil
	}
	row, err := s.at(tx).published(t, f, qualifier)
	if err != nil {
		return err
	}
	if row.Value.Deleting {
		return lamina.Errorf(lamina.CodeResourceConflict, textWrongState, lamina.StateDeleting)
	}
	tx.Guard(s.Tables.Versions.AtRevision(row))
	return nil
}

func (s *Service) updateAlias(ctx context.Context, in *model.UpdateAliasRequest) (*model.AliasConfiguration, error) {
	t, err := aliasTarget(ctx, *in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	return s.changeAliases(ctx, t, func(tx *view.Tx, f lamina.Function) (lamina.Alias, error) {
		row, ok := s.at(tx).aliases.Get(lamina.Key(f.Account, f.Region, f.Name, *in.Name))
		a := row.Value
		if !ok {
			return a, lamina.Errorf(lamina.CodeResourceNotFound, textAliasNotFound, t.arn())
		}
		if err := checkRevision(in.RevisionId, a.RevisionID, readFunction); err != nil {
			return a, err
		}
		set(&a.Version, in.FunctionVersion)
		set(&a.Description, in.Description)
		if in.RoutingConfig != nil {
			a.Weights = weights(in.RoutingConfig)
		}
		a.RevisionID = newRevision()
		tx.Guard(s.Tables.Aliases.AtRevision(row))
		return a, s.putAlias(tx, t, f, a)
	})
}

// deleteAlias takes one that is not there for deleted.
func (s *Service) deleteAlias(ctx context.Context, in *model.DeleteAliasRequest) (*awsproto.Empty, error) {
	t, err := aliasTarget(ctx, *in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	_, err = s.changeAliases(ctx, t, func(tx *view.Tx, f lamina.Function) (lamina.Alias, error) {
		return lamina.Alias{}, tx.Do(s.Tables.Aliases.Delete(lamina.Key(f.Account, f.Region, f.Name, *in.Name)))
	})
	return nil, err
}

func (s *Service) getAlias(ctx context.Context, in *model.GetAliasRequest) (*model.AliasConfiguration, error) {
	t, err := aliasTarget(ctx, *in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	return caughtUp(ctx, s, func() (*model.AliasConfiguration, error) {
		r := s.at(s.View)
		row, ok := r.aliases.Get(t.versionKey(t.qualifier))
		if _, err := r.function(t); err != nil || !ok {
			return nil, lamina.Errorf(lamina.CodeResourceNotFound, textAliasCannotFind, t.arn())
		}
		return aliasAnswer(row.Value), nil
	})
}

func (s *Service) listAliases(ctx context.Context, in *model.ListAliasesRequest) (*model.ListAliasesResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return look(ctx, s, t, func(r rows, f lamina.Function) (*model.ListAliasesResponse, error) {
		var all []lamina.Alias
		for row := range r.aliases.Scan(f.Key() + "/") {
			if in.FunctionVersion == nil || *in.FunctionVersion == row.Value.Version {
				all = append(all, row.Value)
			}
		}
		items, next, err := page(all, lamina.Alias.Key, in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &model.ListAliasesResponse{Aliases: []model.AliasConfiguration{}, NextMarker: next}
		for _, a := range items {
			out.Aliases = append(out.Aliases, *aliasAnswer(a))
		}
		return out, nil
	})
}
