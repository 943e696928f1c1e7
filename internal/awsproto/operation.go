package awsproto

import (
	"context"
	"reflect"
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
	table  *table

	mu     sync.Mutex
	shapes map[string]*shape // bound so far
}

// NewService makes a service from a generated table, which is read at first use.
func NewService(name, table string) *Service { return &Service{Name: name, source: table} }

// read gives the service's table.
func (s *Service) read() *table {
	s.once.Do(func() { s.table, s.shapes = readTable(s.source), map[string]*shape{} })
	return s.table
}

// bind gives the plan of a structure for its Go type.
func (s *Service) bind(name string, t reflect.Type) *shape {
	tab := s.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &compiler{table: tab, done: s.shapes}
	return c.structure(name, t)
}

// entry is a registered operation.
type entry struct {
	service *Service
	name    string
	in, out reflect.Type
	event   reflect.Type // of what the answer is a stream of; nil: it is none
	call    func(context.Context, reflect.Value) (reflect.Value, error)
	stream  func(context.Context, *exchange, reflect.Value) error

	once       sync.Once
	line       *opLine
	inShape    *shape
	outShape   *shape
	eventShape *shape
	bodyLimit  int64
}

// ready binds the operation's shapes at its first use.
func (e *entry) ready() *entry {
	e.once.Do(func() {
		e.line = e.service.read().ops[e.name]
		e.inShape = e.service.bind(e.line.in, e.in)
		e.outShape = e.service.bind(e.line.out, e.out)
		if e.event != nil {
			e.eventShape = e.service.bind(e.line.events, e.event)
		}
	})
	return e
}

// Handle registers the handler of an operation. All registrations come before
// the first request. Registering an operation twice is a programming error and panics.
func Handle[In, Out any](m *Mux, op Operation[In, Out], h func(context.Context, *In) (*Out, error)) {
	m.register(&entry{
		service:   op.Service,
		name:      op.Name,
		in:        reflect.TypeFor[In](),
		out:       reflect.TypeFor[Out](),
		bodyLimit: bodyLimit(op.Service.Name, op.Name),
		call: func(ctx context.Context, in reflect.Value) (reflect.Value, error) {
			out, err := h(ctx, in.Interface().(*In))
			return reflect.ValueOf(out), err
		},
	})
}
