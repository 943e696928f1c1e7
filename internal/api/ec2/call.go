package ec2

import (
	"context"
	"reflect"
	"strings"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// errDryRun is EC2's answer when a request only asked whether it would succeed.
var errDryRun = &lamina.Error{Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set."}

// handle registers work for an operation, behind what all operations share: the
// dry run, and the default VPC that an account finds in each region.
func handle[In, Out any](m *awsproto.Mux, s *Service, op awsproto.Operation[In, Out], work func(context.Context, *In) (*Out, error)) {
	awsproto.Handle(m, op, func(ctx context.Context, in *In) (*Out, error) {
		if dryRun(in) {
			return nil, errDryRun
		}
		if err := s.ensureDefaults(ctx); err != nil {
			return nil, err
		}
		return work(ctx, in)
	})
}

// dryRun reads the DryRun member, which nearly all of EC2's inputs have.
func dryRun(in any) bool {
	f := reflect.ValueOf(in).Elem().FieldByName("DryRun")
	if !f.IsValid() {
		return false
	}
	b, ok := f.Interface().(*bool)
	return ok && b != nil && *b
}

// scopeOf is the caller's account and region.
func scopeOf(ctx context.Context) lamina.Scope { return lamina.CallerFrom(ctx).Scope }

// prefixOf is what the keys of all resources of a scope begin with.
func prefixOf(at lamina.Scope) string { return lamina.Key(at.Account, at.Region, "") }

// arn names a resource of EC2.
func arn(at lamina.Scope, resource, id string) string {
	return "arn:aws:ec2:" + at.Region + ":" + at.Account + ":" + resource + "/" + id
}

// txn is one change within an account and region.
type txn struct {
	*view.Tx
	lamina.Scope
}

// update runs change in a transaction. A resource that is missing is looked for
// again at the store's head before the caller hears so.
func (s *Service) update(ctx context.Context, change func(t *txn) error) error {
	return s.seekTwice(ctx, func() error {
		_, err := s.view.Update(ctx, func(tx *view.Tx) error {
			return change(&txn{Tx: tx, Scope: scopeOf(ctx)})
		})
		return err
	})
}

// seekTwice repeats a search that missed after catching up with the store, whose
// newest commits of other processes this view may lack (DESIGN.md 4).
func (s *Service) seekTwice(ctx context.Context, search func() error) error {
	err := search()
	if code := lamina.ErrorCode(err); !strings.HasSuffix(code, "NotFound") {
		return err
	}
	if caught := s.view.CatchUp(ctx); caught != nil {
		return err // the miss is still the better answer
	}
	return search()
}

// val is what a pointer points at, or the zero value.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// optional is a pointer to s, or nil when it is empty.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
