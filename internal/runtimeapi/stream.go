package runtimeapi

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// MaxStream bounds a streamed response (AWS: 200 MB, "Lambda quotas"; that these
// are MiB, as the 6 MB of buffered ones, is chosen).
const MaxStream = 200 << 20

// Stream is a response that is passed on while the runtime writes it. Nothing
// of it is kept: the runtime waits for whoever reads. It is read to io.EOF or
// closed; both are by one goroutine.
type Stream struct {
	pipe   *io.PipeReader
	in     *io.PipeWriter
	ended  chan struct{} // closed by end
	result Result        // set before
}

func newStream() *Stream {
	st := &Stream{ended: make(chan struct{})}
	st.pipe, st.in = io.Pipe()
	return st
}

// Read gives io.EOF when the response is over, whatever ended it: Result tells.
func (st *Stream) Read(p []byte) (int, error) { return st.pipe.Read(p) }

// Close leaves the rest unread. The runtime writes on into the void and keeps
// its slot until it has done so.
func (st *Stream) Close() error { return st.pipe.Close() }

// Result waits for the end of the invocation and tells how it ended. The body of
// a failed one is its error.
func (st *Stream) Result() Result {
	<-st.ended
	return st.result
}

// end is called once, under Server.mu.
func (st *Stream) end(res Result) {
	st.result = res
	close(st.ended)
	st.in.Close()
}

// streams tells a response that is to be passed on as it comes. aws-lambda-go
// (to v1.55.1) never names a mode and streams, also on AWS, by a chunked body
// with trailers for an error.
func streams(r *http.Request) bool {
	_, trailer := r.Trailer[headerErrorType]
	return r.Header.Get(headerMode) != "" || r.ContentLength < 0 && trailer
}

// stream passes a response on as it comes. What the caller does not take any
// more is still read, since a worker that is cut off may take that for its end.
func (s *Server) stream(w *conn, r *http.Request, id string, c *call) {
	st, err := s.beginStream(w, c, cmp.Or(r.Header.Get("Content-Type"), typeBytes))
	if err != nil {
		s.refuse(w, r, id, err)
		return
	}
	size, err := pass(st.in, r.Body)
	res := Result{Streamed: true, Produced: size}
	switch {
	case errors.Is(err, errTooLarge):
		w.last = true
		res = unusable("Function.ResponseSizeTooLarge", fmt.Sprintf(
			"Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).", size, MaxStream))
	case err != nil:
		res = s.cutShort(c)
	default:
		trailerError(r, &res)
	}
	if late := s.endAnswer(w, c, res); late != nil {
		err = late
	}
	s.reply(w, r, id, err)
}

// beginStream gives the caller the head of its answer. A caller that has left
// gets none, yet the worker is heard out.
func (s *Server) beginStream(w *conn, c *call, contentType string) (*Stream, error) {
	st := newStream()
	s.mu.Lock()
	defer s.unlock()
	if state := c.state; state != callAnswering {
		s.finish(c, outcome{}) // its time was up in between; the worker is done with it
		return nil, lateness(w, state)
	}
	if c.left {
		st.Close()
	}
	c.done <- outcome{res: Result{ContentType: contentType, Streamed: true, Stream: st}}
	c.stream, c.open = st, true
	return st, nil
}

// pass copies a body until its end or the limit. Once out takes nothing any
// more, the rest is only counted.
func pass(out io.Writer, body io.Reader) (size int64, err error) {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for taken := true; ; {
		n, err := body.Read(buf[:])
		if size+int64(n) > MaxStream {
			return size + int64(n), errTooLarge
		}
		size += int64(n)
		if taken && n > 0 {
			_, failed := out.Write(buf[:n])
			taken = failed == nil
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, errTruncated
		}
	}
}

// interrupt ends a response in pieces with the error that its worker reports
// meanwhile; false: there is none to end.
func (s *Server) interrupt(c *call, res Result) bool {
	s.mu.Lock()
	defer s.unlock()
	if c.state != callAnswering {
		return false
	}
	c.reader.breakOff()
	s.finish(c, outcome{res: c.timed(res)})
	return true
}

// inPieces finds the call whose response is coming in pieces now and is meant by
// an error; nil: there is none.
func (s *Server) inPieces(r *http.Request, id string) *call {
	echoed := r.Header.Get(headerInvocationID)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	if c == nil || !c.open || c.state != callAnswering || echoed != "" && echoed != c.nonce {
		return nil
	}
	return c
}

// failPieces takes an error for a response that is on its way.
func (s *Server) failPieces(w *conn, r *http.Request, id string, c *call) {
	body, _, err := readBody(r, MaxError)
	if err == nil && !s.interrupt(c, postedError(r, body)) {
		err = errUnknownID // the response was quicker
	}
	s.reply(w, r, id, err)
}
