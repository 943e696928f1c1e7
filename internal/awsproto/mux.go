package awsproto

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"sync"
	"time"
)

// Config is what a Mux asks from its surroundings.
type Config struct {
	// Authenticate is called for every request before its body is read;
	// CallFrom(r.Context()) tells it what is being called. What it refuses costs
	// no memory. Nil refuses all.
	Authenticate func(r *http.Request) (Proof, error)
	// WithRequestID puts the request's id where handlers look for it.
	WithRequestID func(ctx context.Context, id string) context.Context
	// Log receives internal faults; nil is slog.Default().
	Log *slog.Logger
	// Budget bounds the memory of all bodies together; nil is one of 256 MiB.
	Budget *Budget
	// BodyGrace and BodyRate are how long a body may take at least, and how many
	// bytes per second it must have brought beyond that; 0 is 10 s and 4 KiB/s.
	BodyGrace time.Duration
	BodyRate  int64
}

// Proof judges the body of a request whose head was accepted. It returns the
// context the handler gets.
type Proof func(body []byte) (context.Context, error)

// Mux is the one front door: it finds service and operation of a request,
// decodes, validates, calls the handler and encodes the answer.
type Mux struct {
	config   Config
	pace     pace // asked of bodies
	services map[string]*served
	names    []string // of services, in the order of registration
}

// served is a service with its registered operations.
type served struct {
	service *Service
	entries map[string]*entry

	once     sync.Once
	routes   *route
	unserved *route // of the operations that AWS has besides
}

// NewMux makes a Mux without any operation.
func NewMux(c Config) *Mux {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Budget == nil {
		c.Budget = NewBudget(defaultBudget)
	}
	return &Mux{config: c, pace: pace{cmp.Or(c.BodyGrace, defaultGrace), cmp.Or(c.BodyRate, defaultRate)}, services: map[string]*served{}}
}

func (m *Mux) register(e *entry) {
	s := m.services[e.service.Name]
	if s == nil {
		s = &served{service: e.service, entries: map[string]*entry{}}
		m.services[e.service.Name] = s
		m.names = append(m.names, e.service.Name)
	}
	if s.entries[e.name] != nil {
		panic("awsproto: " + e.service.Name + "." + e.name + " is registered twice")
	}
	s.entries[e.name] = e
}

// table gives the service's table; its routes stand once it was asked for.
func (s *served) table() *table {
	t := s.service.read()
	s.once.Do(func() {
		s.routes, s.unserved = &route{}, &route{}
		if t.protocol != restJSON { // no service has REST beside others
			return
		}
		for name, e := range s.entries {
			op := t.ops[name]
			s.routes.add(op.method, op.uri, e)
		}
		for _, op := range t.unserved {
			s.unserved.add(op.method, op.uri, &entry{name: op.name})
		}
	})
	return t
}

// Prepare binds every registered operation now instead of at its first use. It
// panics where a table and its Go types differ.
func (m *Mux) Prepare() {
	for _, s := range m.services {
		s.table()
		for _, e := range s.entries {
			e.ready()
		}
	}
}

// ServeHTTP answers one AWS request.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := m.begin(w, r)
	defer x.release()
	defer x.recover()
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

// exchange is one request on its way to its answer.
type exchange struct {
	mux      *Mux
	w        http.ResponseWriter
	r        *http.Request
	call     *Call
	protocol protocol // of request and answer
	table    *table
	served   *served // nil: nobody knows yet
	entry    *entry  // nil: unknown, or to be read from a form
	params   []param
	body     []byte
	form     *form
	taken    int64  // of the budget
	begun    bool   // an event stream's head is out
	frame    []byte // the event sent last
}

func (x *exchange) release() { x.mux.config.Budget.release(x.taken) }

// serve does the steps of a request in their order.
func (x *exchange) serve() error {
	proof, err := x.authenticate()
	if err != nil {
		return err
	}
	if err := x.readBody(); err != nil {
		return err
	}
	ctx, err := x.prove(proof)
	if err != nil {
		return err
	}
	if err := x.inflate(); err != nil {
		return err
	}
	if x.protocol.xml() {
		if err := x.readForm(); err != nil {
			return err
		}
	}
	if x.entry == nil {
		return x.unknown()
	}
	in := reflect.New(x.entry.ready().in)
	x.call.Operation = x.entry.name
	if err := x.decode(in.Elem()); err != nil {
		return err
	}
	if err := x.validate(in.Elem()); err != nil {
		return err
	}
	if x.entry.stream != nil {
		return x.entry.stream(ctx, x, in)
	}
	out, err := x.entry.call(ctx, in)
	if err != nil {
		return err
	}
	x.answer(out)
	return nil
}

// authenticate shows the one verifier the request's head. No verifier means no
// one gets in.
func (x *exchange) authenticate() (Proof, error) {
	if x.mux.config.Authenticate == nil {
		return nil, faultf(codeMissingToken, "Missing Authentication Token")
	}
	x.r = x.r.WithContext(withCall(x.r.Context(), x.call))
	return x.mux.config.Authenticate(x.r)
}

// prove shows the verifier the body.
func (x *exchange) prove(proof Proof) (context.Context, error) {
	ctx, err := proof(x.body)
	if err != nil {
		return nil, err
	}
	if ctx == nil {
		return nil, errors.New("the verifier accepted a request without a context")
	}
	if f := x.mux.config.WithRequestID; f != nil {
		ctx = f(ctx, x.call.RequestID)
	}
	return ctx, nil
}

// recover answers for a handler that panicked.
func (x *exchange) recover() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	x.mux.config.Log.Error("handler panicked", "service", x.call.Service, "operation", x.call.Operation,
		"requestId", x.call.RequestID, "panic", p, "stack", string(debug.Stack()))
	x.writeFault(x.internal())
}
