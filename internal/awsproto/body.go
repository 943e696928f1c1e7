package awsproto

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Bounds on request bodies.
const (
	defaultBodyLimit = 16 << 20 // chosen
	packageBodyLimit = 70167211 // Lambda's answer names it: 50 MiB of zip as Base64 and its surroundings
	syncBodyLimit    = 6291456  // Lambda's quota for synchronous payloads
	asyncBodyLimit   = 1048576  // Lambda's quota for asynchronous payloads
	firstBuffer      = 1 << 20  // taken at once on the word of Content-Length (chosen)
)

func bodyLimit(service, operation string) int64 {
	switch {
	case service != "lambda":
		return defaultBodyLimit
	case operation == "CreateFunction" || operation == "UpdateFunctionCode":
		return packageBodyLimit
	case operation == "Invoke":
		return syncBodyLimit
	}
	return defaultBodyLimit
}

// limit is the number of bytes this request may have.
func (x *exchange) limit() int64 {
	switch {
	case x.table.protocol.xml():
		return maxFormBytes
	case x.entry == nil:
		return defaultBodyLimit
	case x.isInvoke() && x.r.Header.Get("X-Amz-Invocation-Type") == "Event":
		return asyncBodyLimit
	}
	return x.entry.bodyLimit
}

func (x *exchange) isInvoke() bool { return x.entry != nil && x.entry.bodyLimit == syncBodyLimit }

// readBody takes the body in, but never more than one byte above the limit.
func (x *exchange) readBody() error {
	limit, length := x.limit(), x.r.ContentLength
	if length > limit {
		return x.tooLarge(length, limit)
	}
	if length == 0 || x.r.Body == nil {
		return nil
	}
	var buf bytes.Buffer
	if length > 0 {
		buf.Grow(int(min(length, firstBuffer)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(x.r.Body, limit+1))
	if n > limit {
		return x.tooLarge(n, limit)
	}
	if err != nil {
		return bodyFault(err)
	}
	x.body = buf.Bytes()
	return nil
}

// bodyFault is the answer to a body that broke off: the client's doing.
func bodyFault(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Fault{Code: codeTooLarge, Message: fmt.Sprintf("Request must be smaller than %d bytes", tooLarge.Limit), status: http.StatusRequestEntityTooLarge}
	}
	return &Fault{Code: "RequestTimeoutException", Message: "The request body could not be read", status: http.StatusBadRequest}
}

// tooLarge words the refusal and closes the connection, so that nobody has to
// read what is still coming.
func (x *exchange) tooLarge(length, limit int64) error {
	x.w.Header().Set("Connection", "close")
	f := &Fault{Code: codeTooLarge, status: http.StatusRequestEntityTooLarge}
	switch {
	case x.isInvoke():
		kind := "RequestResponse"
		if limit == asyncBodyLimit {
			kind = "Event"
		}
		f.Code = codePayloadTooLarge
		f.Message = fmt.Sprintf("%d byte payload is too large for the %s invocation type (limit %d bytes)", length, kind, limit)
	case x.entry != nil:
		f.Message = fmt.Sprintf("Request must be smaller than %d bytes for the %s operation", limit, x.entry.name)
	default:
		f.Message = fmt.Sprintf("Request must be smaller than %d bytes", limit)
	}
	return f
}

// inflate unpacks a compressed body, after the signature over the packed one
// was checked.
func (x *exchange) inflate() error {
	if x.r.Header.Get("Content-Encoding") != "gzip" || x.isInvoke() {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(x.body))
	if err != nil {
		return faultf(codeSerialization, "The request body is not valid gzip")
	}
	limit := x.limit()
	plain, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return faultf(codeSerialization, "The request body is not valid gzip")
	}
	if int64(len(plain)) > limit {
		return x.tooLarge(int64(len(plain)), limit)
	}
	x.body = plain
	return nil
}
