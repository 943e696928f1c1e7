package iam

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Guard keeps browsers from reaching the server behind their user's back
// (DESIGN.md 18): it refuses a Host that is neither loopback nor one of hosts (a
// name that was rebound to this machine), every request of another site's page,
// and with them all CORS preflights. Hosts are names or addresses without port.
func Guard(next http.Handler, hosts []string) http.Handler {
	names := make([]string, 0, len(hosts))
	for _, h := range hosts {
		names = append(names, hostName(h))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !knownHost(r.Host, names):
			forbid(w, r, fmt.Sprintf("Lamina does not serve the host %q. Reach it as localhost, or start it with --listen and that name.", r.Host))
		case crossSite(r):
			forbid(w, r, "Requests of web pages from another origin are refused.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func knownHost(host string, names []string) bool {
	name := hostName(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || name != "" && slices.Contains(names, name) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// hostName is a Host header without port, brackets and trailing dot, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// crossSite recognises what a page of another site sent. Browsers set these
// headers by themselves, and no script can change them.
func crossSite(r *http.Request) bool {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if s := strings.ToLower(site); s != "same-origin" && s != "none" {
			return true
		}
	}
	for _, origin := range r.Header.Values("Origin") {
		if !sameOrigin(origin, r.Host) {
			return true
		}
	}
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// sameOrigin holds only for a page that this very address served.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Host, host)
}

// forbid answers 403 in AWS's shape: XML to a form, JSON to all others.
func forbid(w http.ResponseWriter, r *http.Request, why string) {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	h := hex.EncodeToString(raw[:])
	id := h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	w.Header().Set("X-Amzn-Requestid", id)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>") // the client may be gone
		_ = xml.EscapeText(w, []byte(why))
		_, _ = fmt.Fprintf(w, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>", id)
		return
	}
	w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": why})
}
