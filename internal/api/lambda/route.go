package lambda

import (
	"github.com/lamina-dev/lamina"
)

// route is where an invocation goes.
type route struct {
	function lamina.Function
	version  lamina.Version
	standing standing
}

// route resolves what a caller named to the version that runs it
// (lmi-service.md 3.6).
func (r rows) route(t target, random func() float64) (route, error) {
	row, err := r.function(t)
	if err != nil {
		return route{}, err
	}
	f, qualifier := row.Value, t.qualifier
	if qualifier != "" && !isVersion(qualifier) {
		alias, ok := r.aliases.Get(t.versionKey(qualifier))
		if !ok {
			return route{}, t.notFound()
		}
		qualifier = choose(alias.Value, random)
	}
	if qualifier, err = r.runnable(f, qualifier); err != nil {
		return route{}, err
	}
	v, ok := r.versions.Get(t.versionKey(qualifier))
	switch {
	case !ok || v.Value.Deleting && !f.Config.Managed():
		return route{}, t.notFound()
	case qualifier == lamina.Latest:
		return route{f, v.Value, r.latest(f)}, nil
	}
	return route{f, v.Value, r.version(f, v.Value)}, nil
}

// runnable is the qualifier whose version runs: $LATEST of a managed function
// never does.
func (r rows) runnable(f lamina.Function, qualifier string) (string, error) {
	if !f.Config.Managed() {
		if qualifier == "" {
			qualifier = lamina.Latest
		}
		return qualifier, nil
	}
	if qualifier != "" && qualifier != lamina.Latest {
		return qualifier, nil
	}
	switch exists := r.versions.Has(lamina.VersionKey(f.Scope, f.Name, lamina.LatestPublished)); {
	case !exists:
		return "", lamina.Errorf(lamina.CodeNoPublished, textNoPublished)
	case qualifier == lamina.Latest:
		return "", lamina.Errorf(lamina.CodeInvalidParameter, textInvokeLatest)
	}
	return lamina.LatestPublished, nil
}

// choose takes one of an alias's versions by weight; random is in [0,1).
func choose(a lamina.Alias, random func() float64) string {
	if len(a.Weights) == 0 {
		return a.Version
	}
	point := random()
	for version, weight := range a.Weights { // at most one
		if point -= weight; point < 0 {
			return version
		}
	}
	return a.Version
}
