// Package lambda is the operations of AWS's Lambda API: capacity providers,
// functions, versions, scaling, aliases, tags and Invoke. It checks what a
// request means, writes what its caller owns (functions, versions, providers,
// aliases, requested scaling) and derives the states that clients see from what
// the controller wrote beside it.
package lambda

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/blobs"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Roles knows which IAM roles the Lambda service may assume.
type Roles interface {
	// AssumableByLambda is nil when the role exists and trusts
	// lambda.amazonaws.com; a *lamina.Error when it does not.
	AssumableByLambda(ctx context.Context, roleARN string) error
}

// Config is what the operations need from their surroundings.
type Config struct {
	View    *view.View
	Tables  tables.Lambda
	Subnets *view.Table[lamina.Subnet]        // key: Subnet.Key
	Groups  *view.Table[lamina.SecurityGroup] // key: SecurityGroup.Key
	Blobs   *blobs.Dir                        // code packages
	Images  Images                            // nil: no container images
	Roles   Roles
	Invoker Invoker

	// AcceptType tells whether an instance type may be allowed on a capacity
	// provider; its error's text reaches the caller. Nil accepts all.
	AcceptType func(instanceType string) error
	// OnFirstProvider is called before an account's first capacity provider is
	// stored: it makes the service-linked role. Nil does nothing.
	OnFirstProvider func(ctx context.Context, account string) error
	// CodeURL is where a client downloads the package with that SHA-256 (hex).
	// Nil leaves Code.Location out.
	CodeURL func(sha string) string
	// TraceID is the X-Amzn-Trace-Id of a request. Nil: none.
	TraceID func(ctx context.Context) string

	Now    lamina.Clock   // nil: time.Now
	Random func() float64 // in [0,1), for alias weights; nil: math/rand
}

// Service serves the operations.
type Service struct {
	Config
	leftOver sync.Map // scope → leftOver
}

// New makes the service.
func New(c Config) *Service {
	if c.AcceptType == nil {
		c.AcceptType = func(string) error { return nil }
	}
	if c.OnFirstProvider == nil {
		c.OnFirstProvider = func(context.Context, string) error { return nil }
	}
	if c.TraceID == nil {
		c.TraceID = func(context.Context) string { return "" }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return &Service{Config: c}
}

// Register adds every operation of the service to the front door.
func (s *Service) Register(m *awsproto.Mux) {
	s.registerProviders(m)
	s.registerFunctions(m)
	s.registerAliases(m)
	s.registerPolicies(m)
	s.registerSettings(m)
	s.registerLayers(m)
	awsproto.Handle(m, model.Invoke, s.invoke)
	awsproto.HandleStream(m, model.InvokeWithResponseStream, s.invokeStream)
}

// catchUpLimit bounds the wait for commits of other servers on a miss (chosen).
const catchUpLimit = time.Second

// caughtUp runs look, and once more after this view has seen all that the store
// holds when the first look misses: another server may have acknowledged it.
func caughtUp[T any](ctx context.Context, s *Service, look func() (T, error)) (T, error) {
	found, err := look()
	if lamina.ErrorCode(err) != lamina.CodeResourceNotFound {
		return found, err
	}
	seen := s.View.Revision()
	bounded, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	if cerr := s.View.CatchUp(bounded); cerr != nil {
		return found, fmt.Errorf("looking for what other servers wrote: %w", cerr)
	}
	if s.View.Revision() == seen {
		return found, err
	}
	return look()
}
