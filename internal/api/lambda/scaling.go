package lambda

import (
	"context"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// putScaling stores what is requested; the controller applies it.
func (s *Service) putScaling(ctx context.Context, in *model.PutFunctionScalingConfigRequest) (*model.PutFunctionScalingConfigResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	wanted := requestedScaling(in.FunctionScalingConfig)
	if err := checkScaling(wanted); err != nil {
		return nil, err
	}
	return caughtUp(ctx, s, func() (*model.PutFunctionScalingConfigResponse, error) {
		var out model.PutFunctionScalingConfigResponse
		_, err := s.View.Update(ctx, func(tx *view.Tx) error {
			r := s.at(tx)
			f, v, err := r.scalable(t)
			if err != nil {
				return err
			}
			st := r.version(f, v.Value)
			if st.state == lamina.StateFailed || st.state == lamina.StatePending || st.state == lamina.StateDeleting {
				return lamina.Errorf(lamina.CodeResourceConflict, textWrongState, st.state)
			}
			out.FunctionState = new(string(st.state))
			tx.Guard(s.Tables.Versions.AtRevision(v))
			return tx.Do(s.Tables.Scaling.Put(v.Key, wanted))
		})
		return &out, err
	})
}

// scalable finds a published version of a managed function.
func (r rows) scalable(t target) (lamina.Function, view.Row[lamina.Version], error) {
	f, err := r.function(t)
	if err != nil {
		return f.Value, view.Row[lamina.Version]{}, err
	}
	if !f.Value.Config.Managed() {
		return f.Value, view.Row[lamina.Version]{}, lamina.Errorf(lamina.CodeAccessDenied, textScalingOrdinary)
	}
	v, err := r.published(t, f.Value, t.qualifier)
	return f.Value, v, err
}

// requestedScaling is what the request means; nil sides, and a missing
// configuration, are the defaults.
func requestedScaling(in *model.FunctionScalingConfig) lamina.ScalingConfig {
	if in == nil {
		return lamina.ScalingConfig{}
	}
	return lamina.ScalingConfig{Min: in.MinExecutionEnvironments, Max: in.MaxExecutionEnvironments}
}

// checkScaling: min 0 goes only with max 0, and min never exceeds max
// (lmi-service.md 3.4; AWS's texts are not known).
func checkScaling(c lamina.ScalingConfig) error {
	least := c.Minimum()
	switch {
	case c.Max != nil && least > int(*c.Max):
		return lamina.Errorf(lamina.CodeInvalidParameter, textScalingOrder, least, *c.Max)
	case least == 0 && (c.Max == nil || *c.Max > 0):
		return lamina.Errorf(lamina.CodeInvalidParameter, textScalingZero)
	}
	return nil
}

// getScaling shows Requested only until it is applied: Terraform waits for that.
func (s *Service) getScaling(ctx context.Context, in *model.GetFunctionScalingConfigRequest) (*model.GetFunctionScalingConfigResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return caughtUp(ctx, s, func() (*model.GetFunctionScalingConfigResponse, error) {
		r := s.at(s.View)
		f, v, err := r.scalable(t)
		if err != nil {
			return nil, err
		}
		out := &model.GetFunctionScalingConfigResponse{FunctionArn: new(v.Value.ARN())}
		requested, _ := r.scaling.Get(v.Key) // none: the defaults
		applied := r.applied(f, v.Value)
		if applied != nil {
			out.AppliedFunctionScalingConfig = describeScaling(*applied)
		}
		if applied == nil || !sameScaling(*applied, requested.Value) {
			out.RequestedFunctionScalingConfig = describeScaling(requested.Value)
		}
		return out, nil
	})
}

// applied is the scaling in effect: what the controller wrote, the defaults of a
// version that came up without saying, nil for one that never came up.
func (r rows) applied(f lamina.Function, v lamina.Version) *lamina.ScalingConfig {
	st, ok := r.status.Get(v.Key())
	switch {
	case ok && st.Value.Applied != nil:
		return st.Value.Applied
	case ok && st.Value.Serving != 0 || r.version(f, v).state == lamina.StateActive:
		return &lamina.ScalingConfig{}
	}
	return nil
}

func describeScaling(c lamina.ScalingConfig) *model.FunctionScalingConfig {
	return &model.FunctionScalingConfig{
		MinExecutionEnvironments: new(int32(c.Minimum())),
		MaxExecutionEnvironments: c.Max,
	}
}

func sameScaling(a, b lamina.ScalingConfig) bool {
	unlimited := a.Max == nil && b.Max == nil
	sameMax := unlimited || a.Max != nil && b.Max != nil && *a.Max == *b.Max
	return sameMax && a.Minimum() == b.Minimum()
}
