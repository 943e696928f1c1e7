package awsproto

import (
	"context"
	"sync"
)

// Empty is the input or output of an operation that has none.
type Empty struct{}

// Operation names one operation of a service and ties it to its Go types.
type Operation[In, Out any] struct {
	Service *Service
	Name    string
}

// Service is one AWS service: its name in the credential scope and the table
// that says how its operations look on the wire.
type Service struct {
	Name string

	source string
	once   sync.Once
}

// NewService makes a service from a generated table, which is read at first use.
func NewService(name, table string) *Service { return &Service{Name: name, source: table} }

// Handler is the typed work behind one operation.
type Handler[In, Out any] func(context.Context, *In) (*Out, error)

// Handle registers the handler of an operation. Registering one twice is a
// programming error and panics.
func Handle[In, Out any](m *Mux, op Operation[In, Out], h func(context.Context, *In) (*Out, error)) {
}
