package main

import (
	"net/http"
	"net/netip"
)

// metricsPath is where Prometheus reads, unsigned (DESIGN.md 18).
const metricsPath = "/metrics"

// onlyLoopback lets nobody of another machine by without a signature: their
// request goes the way of all others.
func onlyLoopback(open, signed http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !from.Addr().Unmap().IsLoopback() || r.Header.Get("X-Forwarded-For") != "" {
			signed.ServeHTTP(w, r)
			return
		}
		open.ServeHTTP(w, r)
	})
}
