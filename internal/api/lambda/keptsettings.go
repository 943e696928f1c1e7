package lambda

import (
	"cmp"
	"context"
	"maps"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Settings that are kept and told and change nothing here: this server has no
// queues that could make loops, and its runtimes are those of the machine.

func (s *Service) getRecursion(ctx context.Context, in *model.GetFunctionRecursionConfigRequest) (*model.GetFunctionRecursionConfigResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, nil, func(_ target, f lamina.Function) (*model.GetFunctionRecursionConfigResponse, error) {
		loop := cmp.Or(f.Recursion, model.RecursiveLoopTerminate)
		return &model.GetFunctionRecursionConfigResponse{RecursiveLoop: &loop}, nil
	})
}

func (s *Service) putRecursion(ctx context.Context, in *model.PutFunctionRecursionConfigRequest) (*model.PutFunctionRecursionConfigResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	_, err = s.change(ctx, t, func(_ *view.Tx, f *lamina.Function) error {
		f.Recursion = *in.RecursiveLoop
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.PutFunctionRecursionConfigResponse{RecursiveLoop: in.RecursiveLoop}, nil
}

// runtimeUpdateOf is the key of a target's setting: $LATEST and no qualifier are one.
func runtimeUpdateOf(t target) string {
	if t.qualifier == lamina.Latest {
		return ""
	}
	return t.qualifier
}

func (s *Service) getRuntimeManagement(ctx context.Context, in *model.GetRuntimeManagementConfigRequest) (*model.GetRuntimeManagementConfigResponse, error) {
	return ofFunction(ctx, s, *in.FunctionName, in.Qualifier, func(t target, f lamina.Function) (*model.GetRuntimeManagementConfigResponse, error) {
		update := f.RuntimeUpdates[runtimeUpdateOf(t)]
		on := cmp.Or(update.On, model.UpdateRuntimeOnAuto)
		return &model.GetRuntimeManagementConfigResponse{UpdateRuntimeOn: &on, FunctionArn: new(t.arn()), RuntimeVersionArn: given(update.VersionARN)}, nil
	})
}

func (s *Service) putRuntimeManagement(ctx context.Context, in *model.PutRuntimeManagementConfigRequest) (*model.PutRuntimeManagementConfigResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	manual := *in.UpdateRuntimeOn == model.UpdateRuntimeOnManual
	switch {
	case err != nil:
		return nil, err
	case manual && in.RuntimeVersionArn == nil:
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textRuntimeArnMissing)
	case !manual && in.RuntimeVersionArn != nil:
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textRuntimeArnUnwanted)
	}
	update := lamina.RuntimeUpdate{On: *in.UpdateRuntimeOn}
	set(&update.VersionARN, in.RuntimeVersionArn)
	_, err = s.change(ctx, t, func(tx *view.Tx, f *lamina.Function) error {
		if _, err := s.at(tx).describe(t, *f); err != nil {
			return err // no such qualifier
		}
		f.RuntimeUpdates = maps.Clone(f.RuntimeUpdates)
		if f.RuntimeUpdates == nil {
			f.RuntimeUpdates = map[string]lamina.RuntimeUpdate{}
		}
		f.RuntimeUpdates[runtimeUpdateOf(t)] = update
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.PutRuntimeManagementConfigResponse{UpdateRuntimeOn: in.UpdateRuntimeOn, FunctionArn: new(t.arn()), RuntimeVersionArn: in.RuntimeVersionArn}, nil
}
