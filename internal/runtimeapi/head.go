package runtimeapi

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"strconv"
)

// Nearly all that a runtime sends are two requests in turn: its poll, and the
// answer with a known length. net/http's parser, which makes a map of strings of
// each, costs an agent as much as a system call. So these two are read in place,
// and whatever is in the least unusual is left to net/http untouched: this
// parser never refuses anything.

// head is one of the two requests' without its body.
type head struct {
	id     string // of an answer; empty: a poll
	echoed string // the delivery that the answer is for, if the client tells it
	length int64  // of the answer's body
	size   int    // of the head itself
}

var (
	pollLine   = []byte("GET " + pathInvocation + "next HTTP/1.1")
	answerLine = []byte("POST " + pathInvocation)
	answerEnd  = []byte("/response HTTP/1.1")
)

// quickHead takes a usual head from the connection; false: there is none, and
// nothing has been taken.
func (w *conn) quickHead() (h head, ok bool) {
	if _, err := w.r.Peek(1); err != nil {
		return head{}, false // the error comes again
	}
	b, _ := w.r.Peek(w.r.Buffered())
	if h, ok = w.parseHead(b); ok {
		_, _ = w.r.Discard(h.size)
	}
	return h, ok
}

// parseHead reads b's beginning; the strings that w keeps are those of this head.
func (w *conn) parseHead(b []byte) (h head, ok bool) {
	line, rest, ok := cutLine(b)
	if !ok {
		return head{}, false
	}
	if !bytes.Equal(line, pollLine) {
		id, ok := bytes.CutPrefix(line, answerLine)
		if !ok {
			return head{}, false
		}
		if id, ok = bytes.CutSuffix(id, answerEnd); !ok || !plainID(id) {
			return head{}, false
		}
		h.id = string(id)
	}
	h.length = -1
	var agent, kind []byte
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return head{}, false
		}
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return head{}, false
		}
		value := bytes.Trim(line[colon+1:], " \t")
		if !plainValue(value) {
			return head{}, false
		}
		switch name := line[:colon]; {
		case is(name, "host"), is(name, "accept"), is(name, "accept-encoding"):
		case is(name, "connection") && is(value, "keep-alive"):
		case is(name, "user-agent") && agent == nil:
			agent = value
		case is(name, "content-type") && kind == nil:
			kind = value
		case is(name, "lambda-runtime-invocation-id") && h.echoed == "":
			h.echoed = string(value)
		case is(name, "content-length") && h.length < 0:
			n, err := strconv.ParseUint(string(value), 10, 31)
			if err != nil || n > MaxResponse {
				return head{}, false
			}
			h.length = int64(n)
		default:
			return head{}, false
		}
	}
	if (h.id == "") != (h.length < 0) {
		return head{}, false
	}
	w.agent, w.kind = again(w.agent, agent), again(w.kind, kind)
	h.size = len(b) - len(rest)
	return h, true
}

// cutLine gives b's first line if it ends as it ought to, and is of one line only.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || bytes.IndexByte(b[:end], '\r') != end-1 {
		return nil, nil, false
	}
	return b[:end-1], b[end+1:], true
}

// is tells a name, given in small letters, whatever the letters of b.
func is(b []byte, name string) bool { return len(b) == len(name) && bytes.EqualFold(b, []byte(name)) }

// plainID says that an id means the same in a path as by itself.
func plainID(id []byte) bool {
	for _, c := range id {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-') {
			return false
		}
	}
	return len(id) > 0
}

// plainValue says that a header's value is there and of printable ASCII alone.
func plainValue(value []byte) bool {
	for _, c := range value {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(value) > 0
}

// again is b as a string, which mostly is the one of the last time.
func again(last string, b []byte) string {
	if string(b) == last {
		return last
	}
	return string(b)
}

// serveQuick is handle for such a request.
func (s *Server) serveQuick(w *conn, h head) (goesOn bool) {
	w.last = false
	if h.id == "" {
		return s.next(w)
	}
	c, err := s.beginAnswer(w, h.id, h.echoed)
	if err != nil {
		r := w.unusual(h.length)
		s.refuse(w, r, h.id, err)
		return drained(r)
	}
	body := make([]byte, h.length)
	n, err := io.ReadFull(w.r, body)
	res := Result{ContentType: cmp.Or(w.kind, typeBytes), Body: body, Produced: int64(n)}
	if err != nil {
		res, err = s.cutShort(c), errTruncated
	}
	if late := s.endAnswer(w, c, res); late != nil {
		err = late
	}
	if err == nil {
		writeAccepted(w)
		return true
	}
	r := w.unusual(h.length - int64(n))
	s.reply(w, r, h.id, err)
	return drained(r)
}

// unusual is the request whose head quickHead took, as what is not in the course
// of things wants it; so much of its body is left.
func (w *conn) unusual(left int64) *http.Request {
	return &http.Request{
		ContentLength: left, Body: io.NopCloser(io.LimitReader(w.r, left)), Header: http.Header{"User-Agent": {w.agent}},
	}
}
