package lambda

import (
	"context"
	"errors"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// checkSteady refuses updates while the function is still being created.
func (s *Service) checkSteady(tx *view.Tx, f lamina.Function) error {
	if st := s.at(tx).latest(f); st.state == lamina.StatePending {
		return lamina.Errorf(lamina.CodeResourceConflict, textWrongState, st.state)
	}
	return nil
}

// touched marks the function as changed.
func (s *Service) touched(f *lamina.Function) {
	f.RevisionID, f.LastModified, f.CreatedWith = newRevision(), s.Now(), ""
}

func (s *Service) updateConfiguration(ctx context.Context, in *model.UpdateFunctionConfigurationRequest) (*model.FunctionConfiguration, error) {
	t, err := parseTarget(ctx, *in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if in.Role != nil {
		if err := s.checkRole(ctx, t.Scope, *in.Role, textNotAssumable); err != nil {
			return nil, err
		}
	}
	var st standing
	f, err := s.change(ctx, t, func(tx *view.Tx, f *lamina.Function) error {
		if err := s.checkSteady(tx, *f); err != nil {
			return err
		}
		if err := checkRevision(in.RevisionId, s.at(tx).revision(*f), readFunction); err != nil {
			return err
		}
		if err := s.configure(s.at(tx), f.Scope, &f.Config, settingsOfUpdate(in)); err != nil {
			return err
		}
		if err := checkUnpacked(f.Config); err != nil {
			return err
		}
		if in.CapacityProviderConfig != nil {
			if err := s.checkProvider(tx, f.Scope, f.Config); err != nil {
				return err
			}
		}
		if err := s.placeFunction(tx, f.Scope, &f.Config, in.VpcConfig); err != nil {
			return err
		}
		st = s.at(tx).latest(*f).updating()
		s.touched(f)
		return s.runLatest(tx, *f)
	})
	if err != nil {
		return nil, err
	}
	return latestAnswer(f, false, st), nil
}

func (s *Service) updateCode(ctx context.Context, in *model.UpdateFunctionCodeRequest) (*model.FunctionConfiguration, error) {
	t, err := parseTarget(ctx, *in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	from := source{in.ZipFile, in.S3Bucket, in.ImageUri}
	if from.zip != nil && from.image != nil {
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textImageHasZip)
	}
	// Who may not update must not upload either.
	if _, err := s.change(ctx, t, func(tx *view.Tx, f *lamina.Function) error {
		if err := from.checkFor(f.Config.PackageType, "updating"); err != nil {
			return err
		}
		if _, err := s.replaceCode(tx, f, in); err != nil {
			return err
		}
		return errRehearsed
	}); !errors.Is(err, errRehearsed) {
		return nil, err
	}
	var stored lamina.FunctionConfig
	if err := s.storeCode(ctx, &stored, from); err != nil {
		return nil, err
	}
	var out *model.FunctionConfiguration
	_, err = s.change(ctx, t, func(tx *view.Tx, f *lamina.Function) error {
		changed := *f
		if err := from.checkFor(f.Config.PackageType, "updating"); err != nil {
			return err // another function of that name by now
		}
		changed.Config.CodeSHA256, changed.Config.CodeSize, changed.Config.CodeUnpacked = stored.CodeSHA256, stored.CodeSize, stored.CodeUnpacked
		changed.Config.Image = stored.Image
		if out, err = s.replaceCode(tx, &changed, in); err == nil && !isTrue(in.DryRun) {
			*f = changed
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func isTrue(b *bool) bool { return b != nil && *b }

// replaceCode is an update of a function whose new code is already set.
func (s *Service) replaceCode(tx *view.Tx, f *lamina.Function, in *model.UpdateFunctionCodeRequest) (*model.FunctionConfiguration, error) {
	if err := s.checkSteady(tx, *f); err != nil {
		return nil, err
	}
	if err := checkRevision(in.RevisionId, s.at(tx).revision(*f), readFunction); err != nil {
		return nil, err
	}
	if err := checkUnpacked(f.Config); err != nil {
		return nil, err
	}
	if len(in.Architectures) > 0 && in.Architectures[0] != f.Config.Architecture {
		f.Config.Architecture = in.Architectures[0]
		if err := s.checkProvider(tx, f.Scope, f.Config); err != nil {
			return nil, err
		}
	}
	st := s.at(tx).latest(*f).updating()
	s.touched(f)
	p, err := publicationOf(*f, in.PublishTo, nil)
	if err != nil {
		return nil, err
	}
	if isTrue(in.DryRun) {
		return latestAnswer(*f, false, st), nil
	}
	if err := s.runLatest(tx, *f); err != nil || !isTrue(in.Publish) {
		return latestAnswer(*f, false, st), err
	}
	v, st, err := s.publish(tx, f, p)
	return versionAnswer(v, st), err
}
