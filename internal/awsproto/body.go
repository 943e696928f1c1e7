package awsproto

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Bounds on request bodies.
const (
	defaultBodyLimit = 1 << 20  // chosen: EC2's and IAM's forms, Lambda's and Logs' documents are far smaller
	packageBodyLimit = 70167211 // Lambda's answer names it: 50 MiB of zip as Base64 and its surroundings
	eventsBodyLimit  = 8 << 20  // chosen: PutLogEvents' 1 MiB of text (its quota), each byte escaped, and its surroundings
	syncBodyLimit    = 6291456  // Lambda's quota for synchronous payloads
	asyncBodyLimit   = 1048576  // Lambda's quota for asynchronous payloads
	firstBuffer      = 32 << 10 // taken at once on the word of Content-Length (chosen)
	leastBuffer      = 512      // of a body without a length (chosen)
)

// bodyLimits are the operations whose bodies are larger than the default.
var bodyLimits = map[string]int64{
	"lambda.CreateFunction":           packageBodyLimit,
	"lambda.UpdateFunctionCode":       packageBodyLimit,
	"lambda.PublishLayerVersion":      packageBodyLimit,
	"lambda.Invoke":                   syncBodyLimit,
	"lambda.InvokeWithResponseStream": syncBodyLimit,
	"logs.PutLogEvents":               eventsBodyLimit,
}

func bodyLimit(service, operation string) int64 {
	if limit, ok := bodyLimits[service+"."+operation]; ok {
		return limit
	}
	return defaultBodyLimit
}

// limit is the number of bytes this request may have.
func (x *exchange) limit() int64 {
	switch {
	case x.protocol.xml():
		return maxFormBytes
	case x.entry == nil:
		return defaultBodyLimit
	case x.isInvoke() && x.r.Header.Get("X-Amz-Invocation-Type") == "Event":
		return asyncBodyLimit
	}
	return x.entry.bodyLimit
}

func (x *exchange) isInvoke() bool { return x.entry != nil && x.entry.bodyLimit == syncBodyLimit }

// readBody takes the body in at its client's pace, but never more than one byte
// above the limit, and no more than the budget has.
func (x *exchange) readBody() error {
	limit, length := x.limit(), x.r.ContentLength
	if length > limit {
		return x.tooLarge(length, limit)
	}
	h := &hurry{pace: x.mux.pace, conn: http.NewResponseController(x.w), start: time.Now()}
	if length == 0 || x.r.Body == nil {
		h.end() // of the server's own deadline
		return nil
	}
	if length < 0 {
		// A chunked body may have come with a length as well, which net/http
		// drops. What follows it is never taken for a next request.
		x.w.Header().Set("Connection", "close")
	}
	h.moved(0)
	in := intake{ctx: x.r.Context(), budget: x.mux.config.Budget, most: limit + 1, length: length, taken: &x.taken, hurry: h}
	body, err := in.read(x.r.Body)
	if err != nil {
		return x.bodyFault(err)
	}
	h.end()
	if n := int64(len(body)); n > limit {
		return x.tooLarge(n, limit)
	}
	x.body = body
	return nil
}

// intake reads a whole stream into memory that it takes from the budget as the
// stream grows.
type intake struct {
	ctx    context.Context
	budget *Budget
	most   int64  // bytes to read at most
	length int64  // as declared; negative: unknown
	taken  *int64 // bytes taken of the budget, for whoever gives them back
	hurry  *hurry // nil: nobody waits for this stream
}

// errNoBudget: others hold all the memory there is for bodies.
var errNoBudget = errors.New("no memory for the body")

func (in *intake) read(src io.Reader) ([]byte, error) {
	var buf []byte
	for {
		if len(buf) == cap(buf) {
			var err error
			if buf, err = in.grow(buf); err != nil {
				return nil, err
			}
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF || int64(len(buf)) >= in.most:
			return buf, nil
		case err != nil:
			return nil, err
		case in.hurry != nil:
			in.hurry.moved(int64(len(buf)))
		}
	}
}

// grow gives a larger buffer with the same content. A length that was only
// declared is believed in small; beyond that, bytes have to come first.
func (in *intake) grow(buf []byte) ([]byte, error) {
	old := int64(cap(buf))
	size := max(2*old, leastBuffer)
	if in.length >= 0 {
		size = min(max(2*old, firstBuffer), in.length)
	}
	size = min(max(size, old+1), in.most)
	if !in.budget.acquire(in.ctx, size, old) {
		return nil, errNoBudget
	}
	*in.taken += size
	grown := append(make([]byte, 0, size), buf...)
	in.budget.release(old)
	*in.taken -= old
	return grown, nil
}

// bodyFault is the answer to a body that could not be taken in. The connection
// ends with it, so that nobody has to read what may still come.
func (x *exchange) bodyFault(err error) error {
	x.w.Header().Set("Connection", "close")
	tooLarge, limited := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, errNoBudget):
		return x.throttled()
	case limited:
		return &Fault{Code: codeTooLarge, Message: fmt.Sprintf("Request must be smaller than %d bytes", tooLarge.Limit), status: http.StatusRequestEntityTooLarge}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Fault{Code: codeBodyTimeout, Message: "The request body did not come in time", status: http.StatusRequestTimeout}
	}
	return &Fault{Code: codeBodyTimeout, Message: "The request body could not be read", status: http.StatusBadRequest}
}

// throttled is AWS's answer to a caller who asks for more than there is; all
// SDKs try again on it. That a server's memory is such a thing is chosen.
func (x *exchange) throttled() error {
	if x.protocol == restJSON {
		return &Fault{Code: codeTooManyRequests, Message: textThrottled, reason: reasonThrottled}
	}
	return faultf(codeThrottling, textThrottled)
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
		return faultf(codeSerialization, textNoGzip)
	}
	limit := x.limit()
	in := intake{ctx: x.r.Context(), budget: x.mux.config.Budget, most: limit + 1, length: -1, taken: &x.taken}
	plain, err := in.read(z)
	switch {
	case errors.Is(err, errNoBudget):
		return x.throttled()
	case err != nil:
		return faultf(codeSerialization, textNoGzip)
	case int64(len(plain)) > limit:
		return x.tooLarge(int64(len(plain)), limit)
	}
	x.body = plain
	return nil
}
