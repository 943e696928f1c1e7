package door

import (
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/network"
)

const (
	// hangLimit is how long a request without a path waits for nothing, as a
	// client's packets would (chosen: longer than the SDKs' own limits).
	hangLimit = 2 * time.Minute
	hangMost  = 1024    // requests that hang at a time (chosen); more are cut off at once
	toldMost  = 10000   // refusals that were told of (chosen); beyond it all are forgotten
	skipMost  = 8 << 20 // bytes of a body that are read so that the client's end shows
)

// Gate refuses what environments ask of services that their VPC does not reach:
// with no answer at all, as where there is no path.
type Gate struct {
	// Instance is where a request comes from by its credentials, when they are
	// those of an environment of this server.
	Instance func(r *http.Request) (lamina.Instance, bool)
	// Service is what a request asks, by its endpoint's short name; "" is not known.
	Service func(r *http.Request) string
	// Reaches says whether there is a path. at is where an environment with a
	// network of its own sent the request.
	Reaches func(i lamina.Instance, service string, at netip.Addr) network.Answer
	Log     *slog.Logger

	made, opened sync.Once
	open         chan struct{}

	mu   sync.Mutex
	told map[refusal]bool
	hung int
}

// Open lets go of what hangs, for good.
func (g *Gate) Open() { g.opened.Do(func() { close(g.ends()) }) }

func (g *Gate) ends() chan struct{} {
	g.made.Do(func() { g.open = make(chan struct{}) })
	return g.open
}

type refusal struct{ provider, subnet, service, code string }

// Around puts the gate before a handler.
func (g *Gate) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, known := visitOf(r)
		if !known {
			v.Instance, known = g.Instance(r)
		}
		service := ""
		if known {
			service = g.Service(r)
		}
		if service == "" {
			next.ServeHTTP(w, r)
			return
		}
		answer := g.Reaches(v.Instance, service, v.To.Addr())
		g.tell(v.Instance, service, answer.Missing)
		if answer.Reached() {
			next.ServeHTTP(w, r)
			return
		}
		g.hang(w, r)
	})
}

// tell logs a refusal once, and anew after there was a path again.
func (g *Gate) tell(i lamina.Instance, service string, m *network.Missing) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m == nil {
		for known := range g.told {
			if known.subnet == i.SubnetID && known.service == service {
				delete(g.told, known)
			}
		}
		return
	}
	key := refusal{i.ProviderKey(), i.SubnetID, service, m.Code}
	if g.told[key] {
		return
	}
	if g.told == nil || len(g.told) >= toldMost {
		g.told = map[refusal]bool{}
	}
	g.told[key] = true
	g.Log.Warn("a function's request gets no answer: there is no path to the service",
		"service", service, "provider", i.Provider, "instance", i.ID, "missing", m.Text, "remedy", m.Remedy)
}

// hang holds a request until its client gives up, and never answers.
func (g *Gate) hang(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	g.mu.Lock()
	room := g.hung < hangMost
	if room {
		g.hung++
	}
	g.mu.Unlock()
	if room {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, skipMost)) // the server sees the client's end only past the body
		limit := time.NewTimer(hangLimit)
		defer limit.Stop()
		select {
		case <-r.Context().Done():
		case <-g.ends():
		case <-limit.C:
		}
		g.mu.Lock()
		g.hung--
		g.mu.Unlock()
	}
	if c, _, err := control.Hijack(); err == nil { // else there is nobody any more
		c.Close()
	}
}
