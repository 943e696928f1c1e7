package awsproto

import (
	"net/http"
	"net/url"
	"strings"
)

// headerRequestID carries every answer's request id.
const headerRequestID = "X-Amzn-Requestid"

// begin finds out what a request is about, as far as its head tells.
func (m *Mux) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{mux: m, w: w, r: r}
	x.call = &Call{RequestID: newRequestID(), Header: w.Header()}
	w.Header()[headerRequestID] = []string{x.call.RequestID}
	x.identify()
	if x.served == nil {
		x.table, x.protocol = &table{json: "1.1"}, guess(r)
		return x
	}
	x.table = x.served.table()
	x.call.Service = x.served.service.Name
	x.protocol = x.table.choose(r)
	switch x.protocol {
	case restJSON:
		if x.entry == nil {
			x.entry, x.params = x.served.routes.find(r.Method, r.URL.EscapedPath(), r.URL.RawQuery)
		}
	case awsJSON:
		_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		x.entry = x.served.entries[name]
	case rpcCBOR:
		_, name := rpcPath(r)
		x.entry = x.served.entries[name]
	}
	if x.entry != nil {
		x.call.Operation = x.entry.name
	}
	return x
}

// identify finds the service: by the credential scope, else by the target
// header, else by the path. A scope that
// names no served service leaves the verifier to refuse what the path means.
func (x *exchange) identify() {
	if scope := scopeService(x.r); scope != "" {
		if x.served = x.mux.services[scope]; x.served != nil {
			return
		}
	}
	if target := x.r.Header.Get("X-Amz-Target"); target != "" {
		x.served = x.mux.byTarget(target)
		return
	}
	if target, _ := rpcPath(x.r); target != "" {
		x.served = x.mux.byTarget(target)
		return
	}
	for _, name := range x.mux.names {
		s := x.mux.services[name]
		if s.table().protocol != restJSON {
			continue
		}
		if e, params := s.routes.find(x.r.Method, x.r.URL.EscapedPath(), x.r.URL.RawQuery); e != nil {
			x.served, x.entry, x.params = s, e, params
			return
		}
	}
}

func (m *Mux) byTarget(target string) *served {
	prefix, _, _ := strings.Cut(target, ".")
	for _, name := range m.names {
		if t := m.services[name].table(); t.speaks(awsJSON) && t.target == prefix {
			return m.services[name]
		}
	}
	return nil
}

// scopeService is the service in the credential scope of a signed request:
// Credential=<key>/<date>/<region>/<service>/aws4_request.
func scopeService(r *http.Request) string {
	credential := ""
	if auth := r.Header.Get("Authorization"); auth != "" {
		_, rest, _ := strings.Cut(auth, "Credential=")
		credential, _, _ = strings.Cut(rest, ",")
	} else if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		_, rest, _ := strings.Cut(r.URL.RawQuery, "X-Amz-Credential=")
		rest, _, _ = strings.Cut(rest, "&")
		credential, _ = url.QueryUnescape(rest)
	}
	// The key may hold slashes, the rest may not: count from the end.
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[len(parts)-2]
}

// choose is the protocol of a request to a service that may speak several.
func (t *table) choose(r *http.Request) protocol {
	switch {
	case len(t.also) == 0:
		return t.protocol
	case t.speaks(rpcCBOR) && speaksCBOR(r):
		return rpcCBOR
	case t.speaks(awsJSON) && r.Header.Get("X-Amz-Target") != "":
		return awsJSON
	case t.form() != "":
		return t.form()
	}
	return t.protocol
}

// headerSmithy names the protocol in requests and answers of rpc-v2-cbor.
const headerSmithy = "Smithy-Protocol"

func speaksCBOR(r *http.Request) bool { return r.Header.Get(headerSmithy) == "rpc-v2-cbor" }

// rpcPath takes /service/<target>/operation/<name> apart; a service may stand
// behind a prefix of its own.
func rpcPath(r *http.Request) (target, operation string) {
	if !speaksCBOR(r) {
		return "", ""
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if n := len(parts); n >= 4 && parts[n-4] == "service" && parts[n-2] == "operation" {
		return parts[n-3], parts[n-1]
	}
	return "", ""
}

// guess is the protocol to answer in when the service is not known.
func guess(r *http.Request) protocol {
	kind := r.Header.Get("Content-Type")
	switch {
	case strings.HasPrefix(scopeService(r), "s3"):
		return restXML
	case r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(kind, "application/x-amz-json"):
		return awsJSON
	case speaksCBOR(r):
		return rpcCBOR
	case strings.HasPrefix(kind, "application/x-www-form-urlencoded") || strings.Contains(r.URL.RawQuery, "Action="):
		return query
	default:
		return restJSON
	}
}

// readForm takes a form apart and finds its operation. A request whose service
// is still unknown is placed by the API version it gives.
func (x *exchange) readForm() error {
	body := ""
	if strings.HasPrefix(x.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body = string(x.body)
	}
	f, err := parseForm(x.r.URL.RawQuery, body)
	if err != nil {
		return err
	}
	x.form = f
	if x.served == nil {
		x.placeByVersion(f.text("Version"))
	}
	action := f.at("Action")
	if action == nil {
		return faultf("MissingAction", "The request must contain the parameter Action")
	}
	if x.served != nil {
		x.entry = x.served.entries[action.value]
	}
	return nil
}

func (x *exchange) placeByVersion(version string) {
	for _, name := range x.mux.names {
		if t := x.mux.services[name].table(); t.form() != "" && t.version == version {
			x.served, x.table, x.protocol = x.mux.services[name], t, t.form()
			x.call.Service = name
			return
		}
	}
}
