package awsproto

import (
	"context"
	"log/slog"
	"net/http"
)

// Config is what a Mux asks from its surroundings.
type Config struct {
	// Authenticate is called for every request before anything of it is
	// dispatched. It returns the context the handler gets. Nil refuses all.
	Authenticate func(r *http.Request, body []byte) (context.Context, error)
	// WithRequestID puts the request's id where handlers look for it.
	WithRequestID func(ctx context.Context, id string) context.Context
	// Log receives internal faults; nil is slog.Default().
	Log *slog.Logger
}

// Mux is the one front door: it finds service and operation of a request,
// decodes, validates, calls the handler and encodes the answer.
type Mux struct {
	config Config
}

// NewMux makes a Mux without any operation.
func NewMux(c Config) *Mux { return &Mux{config: c} }

// ServeHTTP answers one AWS request.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}
