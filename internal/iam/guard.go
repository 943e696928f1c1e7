package iam

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Guard keeps web pages out: it refuses a Host that is neither loopback nor
// configured (DNS rebinding) and every request that a page of another origin
// made (DESIGN.md 18).
func Guard(next http.Handler, hosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !knownHost(r.Host, hosts):
			refuse(w, "Lamina does not serve the host "+quote(r.Host)+". Reach it as localhost, or start it with --listen and that name.")
		case crossSite(r, hosts):
			refuse(w, "Requests of web pages from another origin are refused.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func knownHost(host string, hosts []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(hosts, name) {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

func crossSite(r *http.Request, hosts []string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host || !knownHost(u.Host, hosts)
}

func refuse(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-amzn-ErrorType", "AccessDeniedException")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(`{"message":` + quote(message) + `}`)) // the client may be gone
}
