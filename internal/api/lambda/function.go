package lambda

import (
	"context"
	"crypto/rand"
	"fmt"
	"reflect"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// newRevision makes a RevisionId: a random UUID.
func newRevision() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return uuid(b)
}

// uuid writes random bytes as a UUID of version 4.
func uuid(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// function finds the target's function. One of the ordinary kind is gone for
// clients as soon as its deletion was acknowledged.
func (r rows) function(t target) (view.Row[lamina.Function], error) {
	row, ok := r.functions.Get(t.key())
	if !ok || row.Value.Deleting && !row.Value.Config.Managed() {
		return row, t.notFound()
	}
	return row, nil
}

// published finds a version of a function by its own qualifier.
func (r rows) published(t target, f lamina.Function, qualifier string) (view.Row[lamina.Version], error) {
	row, ok := r.versions.Get(t.versionKey(qualifier))
	if !ok || qualifier == lamina.Latest || row.Value.Deleting && !f.Config.Managed() {
		t.qualifier = qualifier
		return row, t.notFound()
	}
	return row, nil
}

// change edits a function in one commit: fn gets a copy and may add operations
// of its own. It runs again when somebody else was faster.
func (s *Service) change(ctx context.Context, t target, fn func(tx *view.Tx, f *lamina.Function) error) (lamina.Function, error) {
	var f lamina.Function
	edit := func(tx *view.Tx) error {
		row, err := s.at(tx).function(t)
		if err != nil {
			return err
		}
		f = row.Value
		if f.Deleting {
			return lamina.Errorf(lamina.CodeResourceConflict, textWrongState, lamina.StateDeleting)
		}
		if err := fn(tx, &f); err != nil {
			return err
		}
		tx.Guard(s.Tables.Functions.AtRevision(row))
		if reflect.DeepEqual(f, row.Value) {
			return nil
		}
		return tx.Do(s.Tables.Functions.Put(row.Key, f))
	}
	return caughtUp(ctx, s, func() (lamina.Function, error) {
		_, err := s.View.Update(ctx, edit)
		return f, err
	})
}

// look reads a function and answers from one moment of the tables.
func look[T any](ctx context.Context, s *Service, t target, fn func(r rows, f lamina.Function) (T, error)) (T, error) {
	return caughtUp(ctx, s, func() (T, error) {
		r := s.at(s.View)
		row, err := r.function(t)
		if err != nil {
			var none T
			return none, err
		}
		return fn(r, row.Value)
	})
}

// describe answers for whatever qualifier the target has.
func (r rows) describe(t target, f lamina.Function) (*model.FunctionConfiguration, error) {
	switch {
	case t.qualifier == "" || t.qualifier == lamina.Latest:
		return latestAnswer(f, t.qualifier != "", r.latest(f)), nil
	case isVersion(t.qualifier):
		row, err := r.published(t, f, t.qualifier)
		if err != nil {
			return nil, err
		}
		return versionAnswer(row.Value, r.version(f, row.Value)), nil
	}
	alias, ok := r.aliases.Get(lamina.Key(t.Account, t.Region, t.name, t.qualifier))
	if !ok {
		return nil, t.notFound()
	}
	pointed := t
	pointed.qualifier = alias.Value.Version
	out, err := r.describe(pointed, f)
	if err == nil {
		out.FunctionArn = new(t.arn())
	}
	return out, err
}

func (s *Service) getConfiguration(ctx context.Context, in *model.GetFunctionConfigurationRequest) (*model.FunctionConfiguration, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return look(ctx, s, t, func(r rows, f lamina.Function) (*model.FunctionConfiguration, error) {
		return r.describe(t, f)
	})
}

func (s *Service) getFunction(ctx context.Context, in *model.GetFunctionRequest) (*model.GetFunctionResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return look(ctx, s, t, func(r rows, f lamina.Function) (*model.GetFunctionResponse, error) {
		c, err := r.describe(t, f)
		if err != nil {
			return nil, err
		}
		out := &model.GetFunctionResponse{Configuration: c, Tags: f.Tags}
		if len(f.Tags) == 0 {
			out.Tags = nil
		}
		if f.Reserved != nil {
			out.Concurrency = &model.Concurrency{ReservedConcurrentExecutions: f.Reserved}
		}
		if out.Code = imageLocation(r.imageOf(t, f)); out.Code == nil {
			out.Code = s.codeLocation(*c.CodeSha256)
		}
		return out, nil
	})
}

func (s *Service) listFunctions(ctx context.Context, in *model.ListFunctionsRequest) (*model.ListFunctionsResponse, error) {
	r, prefix := s.at(s.View), scopePrefix(lamina.CallerFrom(ctx).Scope)
	var all []entry
	for row := range r.functions.Scan(prefix) {
		f := row.Value
		if f.Deleting && !f.Config.Managed() {
			continue
		}
		if in.FunctionVersion != nil {
			all = append(all, r.entries(f)...)
			continue
		}
		all = append(all, entry{row.Key, listed(latestAnswer(f, false, r.latest(f)))})
	}
	configs, next, err := entryPage(all, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.ListFunctionsResponse{Functions: configs, NextMarker: next}, nil
}

func (s *Service) listVersions(ctx context.Context, in *model.ListVersionsByFunctionRequest) (*model.ListVersionsByFunctionResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return look(ctx, s, t, func(r rows, f lamina.Function) (*model.ListVersionsByFunctionResponse, error) {
		configs, next, err := entryPage(r.entries(f), in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		return &model.ListVersionsByFunctionResponse{Versions: configs, NextMarker: next}, nil
	})
}
