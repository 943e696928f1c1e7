package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/network/door"
)

// newGate has requests of functions answered only where their VPC has a path to
// the service: by the connection where they come through the door, else by the
// execution role's session they are signed with.
func newGate(s *server) *door.Gate {
	return &door.Gate{
		Instance: func(r *http.Request) (lamina.Instance, bool) {
			environment, ok := environmentOf(s.sessions, r)
			if !ok {
				return lamina.Instance{}, false
			}
			return s.fleet.InstanceOf(environment)
		},
		Service: iam.ScopeService, Reaches: s.paths.Reaches, Log: s.cfg.log,
	}
}

// environmentOf is the environment whose credentials a request bears.
func environmentOf(sessions *iam.Sessions, r *http.Request) (id string, ok bool) {
	token := r.Header.Get("X-Amz-Security-Token")
	if token == "" && strings.Contains(r.URL.RawQuery, "X-Amz-Security-Token") {
		token = r.URL.Query().Get("X-Amz-Security-Token")
	}
	if token == "" {
		return "", false
	}
	session, ok := sessions.Open(token)
	if !ok {
		return "", false
	}
	return session.ARN[strings.LastIndex(session.ARN, "/")+1:], true
}

// bySide lets functions in by the credentials that this server issued, never by
// those that anybody on loopback may use.
func bySide(v *iam.Verifier) func(*http.Request) (awsproto.Proof, error) {
	strict := *v
	strict.Loopback = false
	return func(r *http.Request) (awsproto.Proof, error) {
		if door.Visited(r) {
			return strict.Authenticate(r)
		}
		return v.Authenticate(r)
	}
}

// doorMux is what functions find: AWS's operations and the links these give out.
func doorMux(aws http.Handler, links codeLinks) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+codePath+"{sha}", links.serve)
	return beside(mux, aws)
}

// beside puts this server's own pages beside AWS's operations. Only these go
// through a ServeMux, which redirects from paths that hold an empty segment or
// dots: a bucket's key or a function's name may well be such.
func beside(own *http.ServeMux, aws http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, ownPath) || r.URL.Path == metricsPath {
			if _, pattern := own.Handler(r); pattern != "" || strings.HasPrefix(r.URL.Path, ownPath) {
				own.ServeHTTP(w, r)
				return
			}
		}
		aws.ServeHTTP(w, r)
	})
}

// serveDoor answers environments until ctx ends.
func (s *server) serveDoor(ctx context.Context) error {
	l := door.Listen(s.doorSocket, s.fleet.Instance)
	web := &http.Server{Handler: s.doorHandler, ConnContext: door.ConnContext, ReadHeaderTimeout: headerLimit, ReadTimeout: headAndBody,
		IdleTimeout: idleLimit, MaxHeaderBytes: maxHeader}
	defer context.AfterFunc(ctx, func() { web.Close() })()
	if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve functions: %w", err)
	}
	return nil
}
