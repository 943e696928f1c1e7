package runtimeapi

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httputil"
	"net/textproto"
)

// chunked is a chunked body and the trailers behind it. net/http's own takes
// trailers only up to the size of its buffer, and an error with its stack trace
// is longer than that.
type chunked struct {
	w      *conn
	r      *http.Request
	chunks io.Reader
	err    error
}

// takeTrailers lets r's body, of which nothing was read yet, have long trailers.
func (w *conn) takeTrailers(r *http.Request) {
	if r.ContentLength < 0 {
		r.Body = io.NopCloser(&chunked{w: w, r: r, chunks: httputil.NewChunkedReader(w.r)})
	}
}

func (c *chunked) Read(p []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	n, c.err = c.chunks.Read(p)
	if errors.Is(c.err, io.EOF) {
		c.err = c.trailers()
	}
	return n, c.err
}

// trailers reads what stands behind the last chunk; io.EOF means it was whole.
func (c *chunked) trailers() error {
	c.w.left = maxHeaderBytes
	h, err := textproto.NewReader(c.w.r).ReadMIMEHeader()
	c.w.left = math.MaxInt64
	if err != nil {
		return errTruncated
	}
	for name := range c.r.Trailer { // the announced ones
		c.r.Trailer[name] = h[name]
	}
	return io.EOF
}
