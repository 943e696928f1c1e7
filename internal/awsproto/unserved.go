package awsproto

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// unknown is the answer to an operation that is not served. AWS has a text for
// few of these protocols, and none that would tell its user that the operation
// is a good one, only not here.
func (x *exchange) unknown() error {
	code, status := codeUnknownOperation, http.StatusBadRequest
	switch x.protocol {
	case query, ec2Query:
		code = "InvalidAction"
	case restXML:
		code, status = "NotImplemented", http.StatusNotImplemented // S3's own for what a bucket's server lacks
	case rpcCBOR, restJSON:
		status = http.StatusNotFound
	}
	return &Fault{Code: code, Message: textUnserved + x.unserved() + ".", status: status}
}

// unserved names what was asked for.
func (x *exchange) unserved() string {
	if x.served == nil {
		return x.unservedService()
	}
	return x.unservedOperation() + " of " + x.call.Service
}

func (x *exchange) unservedService() string {
	names := slices.Sorted(slices.Values(x.mux.names))
	return cmp.Or(scopeService(x.r), "this service") + ", only " + strings.Join(names, ", ")
}

// unservedOperation is its name, else what the request looks like.
func (x *exchange) unservedOperation() string {
	switch x.protocol {
	case query, ec2Query:
		return x.form.text("Action")
	case awsJSON:
		_, name, _ := strings.Cut(x.r.Header.Get("X-Amz-Target"), ".")
		return name
	case rpcCBOR:
		_, name := rpcPath(x.r)
		return name
	}
	if e, _ := x.served.unserved.find(x.r.Method, x.r.URL.EscapedPath(), x.r.URL.RawQuery); e != nil {
		return e.name
	}
	return x.r.Method + " " + x.r.URL.EscapedPath()
}
