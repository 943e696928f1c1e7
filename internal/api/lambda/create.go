package lambda

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// createFunction serves CreateFunction: every rule is checked before the code is
// stored, and again in the commit for what others may change meanwhile.
func (s *Service) createFunction(ctx context.Context, in *model.CreateFunctionRequest) (*model.FunctionConfiguration, error) {
	f, err := s.draft(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.awaitGone(ctx, f.Key()); err != nil {
		return nil, err
	}
	var out *model.FunctionConfiguration
	commit := func(tx *view.Tx) error {
		created := f
		out, err = s.create(tx, &created, in)
		return err
	}
	if err := s.rehearse(ctx, commit); err != nil {
		return nil, err
	}
	if err := s.checkRole(ctx, f.Scope, f.Config.RoleARN, textNotAssumable); err != nil {
		return nil, err
	}
	if err := s.storeCode(ctx, &f.Config, sourceOf(in.Code)); err != nil {
		return nil, err
	}
	return caughtUp(ctx, s, func() (*model.FunctionConfiguration, error) {
		_, err := s.View.Update(ctx, commit)
		return out, err
	})
}

// draft is the function that a request describes, by the rules that need
// nothing but the request.
func (s *Service) draft(ctx context.Context, in *model.CreateFunctionRequest) (lamina.Function, error) {
	var f lamina.Function
	t, err := parseTarget(ctx, *in.FunctionName, nil)
	switch {
	case err != nil:
		return f, err
	case len(t.name) > maxNameLength:
		return f, lamina.Errorf(lamina.CodeValidation, textNameTooLong, t.name)
	case in.CodeSigningConfigArn != nil:
		return f, lamina.Errorf(codeSigningNotFound, textSigningMissing, *in.CodeSigningConfigArn)
	case in.TenancyConfig != nil:
		return f, notYet("TenancyConfig")
	}
	if err := checkTags(in.Tags); err != nil {
		return f, err
	}
	managed := in.CapacityProviderConfig != nil
	f = lamina.Function{
		Scope: t.Scope, Name: t.name, Config: defaults(t.name, managed),
		RevisionID: newRevision(), LastModified: s.Now(), Tags: maps.Clone(in.Tags),
	}
	if len(in.Architectures) > 0 {
		f.Config.Architecture = in.Architectures[0]
	}
	set(&f.Config.PackageType, in.PackageType)
	if err := s.configure(s.at(s.View), t.Scope, &f.Config, settingsOfCreate(in)); err != nil {
		return f, err
	}
	return f, sourceOf(in.Code).checkFor(f.Config.PackageType, "creating")
}

// configure overlays settings and judges the outcome.
func (s *Service) configure(r rows, scope lamina.Scope, c *lamina.FunctionConfig, in settings) error {
	if err := in.unsupported(c.Managed()); err != nil {
		return err
	}
	if err := r.applyLayers(scope, c, in.layers); err != nil {
		return err
	}
	if err := in.apply(c); err != nil {
		return err
	}
	if err := bindCapacity(c, in.capacity); err != nil {
		return err
	}
	if err := checkConfig(*c); err != nil {
		return err
	}
	fillSlots(c)
	return nil
}

// create adds the function, and what it publishes, to the transaction.
func (s *Service) create(tx *view.Tx, f *lamina.Function, in *model.CreateFunctionRequest) (*model.FunctionConfiguration, error) {
	if s.at(tx).functions.Has(f.Key()) {
		return nil, lamina.Errorf(lamina.CodeResourceConflict, textFunctionExists, f.Name)
	}
	tx.Guard(s.Tables.Functions.Absent(f.Key()))
	if err := s.checkProvider(tx, f.Scope, f.Config); err != nil {
		return nil, err
	}
	if err := s.placeFunction(tx, f.Scope, &f.Config, in.VpcConfig); err != nil {
		return nil, err
	}
	if err := checkUnpacked(f.Config); err != nil {
		return nil, err
	}
	out := latestAnswer(*f, false, beingCreated)
	if in.Publish != nil && *in.Publish {
		p, err := publicationOf(*f, in.PublishTo, nil)
		if err != nil {
			return nil, err
		}
		v, _, err := s.publish(tx, f, p)
		if err != nil {
			return nil, err
		}
		if f.Config.Managed() {
			f.CreatedWith = v.Qualifier
		}
		out.Version, out.RevisionId = new(v.Qualifier), new(f.RevisionID)
	}
	if err := s.runLatest(tx, *f); err != nil {
		return nil, err
	}
	return out, tx.Do(s.Tables.Functions.Put(f.Key(), *f))
}

// runLatest gives an ordinary function the $LATEST row that the router and the
// controller run; a managed function has none.
func (s *Service) runLatest(tx *view.Tx, f lamina.Function) error {
	if f.Config.Managed() {
		return nil
	}
	v := lamina.Version{
		Scope: f.Scope, Function: f.Name, Qualifier: lamina.Latest, Config: f.Config, Generation: 1,
		Incarnation: newRevision(), RevisionID: f.RevisionID, LastModified: f.LastModified,
	}
	row, ok := s.at(tx).versions.Get(v.Key())
	if !ok {
		tx.Guard(s.Tables.Versions.Absent(v.Key()))
		return tx.Do(s.Tables.Versions.Put(v.Key(), v))
	}
	tx.Guard(s.Tables.Versions.AtRevision(row))
	status, _ := s.at(tx).status.Get(v.Key())
	v.Incarnation, v.Generation = row.Value.Incarnation, row.Value.Generation+1
	v.Previous, v.PreviousGen = serving(row.Value, status.Value)
	return tx.Do(s.Tables.Versions.Put(v.Key(), v))
}

// errRehearsed ends a transaction that must not be committed.
var errRehearsed = errors.New("lambda: rehearsed")

// rehearse runs the checks of a commit without writing anything, so that nobody
// uploads what would be refused.
func (s *Service) rehearse(ctx context.Context, commit func(*view.Tx) error) error {
	rehearsal := func() (struct{}, error) {
		_, err := s.View.Update(ctx, func(tx *view.Tx) error {
			if err := commit(tx); err != nil {
				return err
			}
			return errRehearsed
		})
		return struct{}{}, err
	}
	if _, err := caughtUp(ctx, s, rehearsal); !errors.Is(err, errRehearsed) {
		return err
	}
	return nil
}

// deletionGrace is how long a create waits for the end of an ordinary function
// of the same name, whose deletion clients take for finished (chosen).
const deletionGrace = 3 * time.Second

// awaitGone waits while the function's row is there and being deleted, though
// clients can't see it any more.
func (s *Service) awaitGone(ctx context.Context, key string) error {
	ending := func() bool {
		row, ok := s.Tables.Functions.Get(key)
		return ok && row.Value.Deleting && !row.Value.Config.Managed()
	}
	if !ending() {
		return nil
	}
	nudges, cancel := s.View.Subscribe(s.Tables.Functions.Prefix() + key)
	defer cancel()
	limit := time.NewTimer(deletionGrace)
	defer limit.Stop()
	for ending() {
		select {
		case <-nudges:
		case <-limit.C:
			return nil // the create itself answers that the name is taken
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
