package runtimeapi

import (
	"io"
	"math"
	"net/http"
	"net/textproto"
	"strings"
)

// trailing is a chunked body whose announced trailers may be long. net/http takes
// them only up to the size of its buffer, which an error with its stack trace
// exceeds, but leaves those it refuses unread.
type trailing struct {
	io.ReadCloser
	w    *conn
	r    *http.Request
	over error // what Read ended with
}

// takeTrailers lets r's body have long trailers.
func (w *conn) takeTrailers(r *http.Request) {
	if r.ContentLength < 0 && len(r.Trailer) > 0 {
		w.trailing = trailing{ReadCloser: r.Body, w: w, r: r}
		r.Body = &w.trailing
	}
}

func (t *trailing) Read(p []byte) (n int, err error) {
	if t.over != nil {
		return 0, t.over
	}
	n, t.over = t.ReadCloser.Read(p)
	// The error has no name in net/http; TestPoint20_LongErrorTrailers sees when its text changes.
	if t.over != nil && strings.Contains(t.over.Error(), "long trailer") {
		t.over = t.long()
	}
	return n, t.over
}

// long reads trailers, bounded as a request's head is; io.EOF means that they were whole.
func (t *trailing) long() error {
	t.w.left = maxHeaderBytes
	h, err := textproto.NewReader(t.w.r).ReadMIMEHeader()
	t.w.left = math.MaxInt64
	if err != nil {
		return errTruncated
	}
	for name := range t.r.Trailer { // the announced ones
		t.r.Trailer[name] = h[name]
	}
	return io.EOF
}
