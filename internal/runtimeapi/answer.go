package runtimeapi

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
)

// Limits of posted bodies, inclusive (runtime-api.md 1.6).
const (
	MaxResponse = 6*1024*1024 + 100
	MaxError    = 1 << 20
	// maxDrain is how much of a refused body is still read, so that the client
	// gets to read the refusal instead of a reset (chosen).
	maxDrain = 4 * MaxResponse
)

// textTooLarge is AWS's for every limit, the error's own 1 MiB too.
const textTooLarge = "Exceeded maximum allowed payload size (6291556 bytes)."

const (
	headerErrorType    = "Lambda-Runtime-Function-Error-Type"
	headerErrorBody    = "Lambda-Runtime-Function-Error-Body"
	headerMode         = "Lambda-Runtime-Function-Response-Mode"
	headerInvocationID = "Lambda-Runtime-Invocation-Id"
	typeJSON           = "application/json"
	typeBytes          = "application/octet-stream"
	typeText           = "text/plain; charset=utf-8"
	// goAgent begins the user agent of the client that dies of a 410.
	goAgent = "aws-lambda-go/"
)

var (
	errUnknownID = errors.New("no such invocation")
	errLate      = errors.New("the invocation has timed out")
	errTooLarge  = errors.New("body over the limit")
	errTruncated = errors.New("body cut short")
)

// response takes a worker's answer.
func (s *Server) response(w *conn, r *http.Request, id string) {
	w.takeTrailers(r)
	c, err := s.beginAnswer(w, id, r.Header.Get(headerInvocationID))
	if err != nil {
		s.refuse(w, r, id, err)
		return
	}
	mode := r.Header.Get(headerMode)
	if mode != "" && mode != "streaming" {
		err = s.endAnswer(w, c, unusable("Runtime.InvalidResponseModeHeader", "Invalid function response mode"))
		drain(r)
		if err != nil {
			s.refuse(w, r, id, err)
			return
		}
		writeError(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	if c.inv.Stream && streams(r) {
		s.stream(w, r, id, c)
		return
	}
	if streams(r) {
		s.mu.Lock()
		c.open = true
		s.mu.Unlock()
	}
	body, size, err := readBody(r, MaxResponse)
	var res Result
	switch {
	case errors.Is(err, errTooLarge):
		res = unusable("Function.ResponseSizeTooLarge", fmt.Sprintf(
			"Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).", size, MaxResponse))
	case err != nil:
		res = s.cutShort(c)
	default:
		res = Result{ContentType: cmp.Or(r.Header.Get("Content-Type"), typeBytes), Body: body, Streamed: mode != "", Produced: size}
		trailerError(r, &res)
	}
	if late := s.endAnswer(w, c, res); late != nil {
		err = late
	}
	s.reply(w, r, id, err)
}

// failure takes a worker's error.
func (s *Server) failure(w *conn, r *http.Request, id string) {
	if c := s.inPieces(r, id); c != nil {
		s.failPieces(w, r, id, c)
		return
	}
	c, err := s.beginAnswer(w, id, r.Header.Get(headerInvocationID))
	if err != nil {
		s.refuse(w, r, id, err)
		return
	}
	body, _, err := readBody(r, MaxError)
	switch {
	case errors.Is(err, errTooLarge):
		// The invocation stays open: the worker may answer it with less.
		if late := s.reopen(w, c); late != nil {
			err = late
		}
	case err != nil:
		if late := s.endAnswer(w, c, s.cutShort(c)); late != nil {
			err = late
		}
	default:
		err = s.endAnswer(w, c, postedError(r, body))
	}
	s.reply(w, r, id, err)
}

// postedError is the result that a worker's error is.
func postedError(r *http.Request, body []byte) Result {
	return Result{
		Status:      StatusFunctionError,
		ErrorType:   filterErrorType(r.Header.Get(headerErrorType)),
		ContentType: cmp.Or(r.Header.Get("Content-Type"), typeJSON),
		Body:        body,
		Produced:    int64(len(body)),
	}
}

// beginAnswer claims the call for one answer, so that the first one stands.
func (s *Server) beginAnswer(w *conn, id, echoed string) (*call, error) {
	s.mu.Lock()
	defer s.unlock()
	c := s.calls[id]
	if c == nil || c.state == callWaiting {
		return nil, errUnknownID
	}
	if echoed != "" && echoed != c.nonce {
		return nil, errLate
	}
	switch c.state {
	case callTimedOut:
		if c.reader != nil { // its answer was being read when the time was up
			return nil, errUnknownID
		}
		s.finish(c, outcome{})
		return nil, errLate
	case callAnswering:
		return nil, errUnknownID
	}
	s.answered.here = s.answered.here || c.via == w
	s.answered.elsewhere = s.answered.elsewhere || c.via != w
	c.state, c.reader, c.answered = callAnswering, w, time.Now()
	return c, nil
}

// timed adds to a result when what happened, unless that is known.
func (c *call) timed(res Result) Result {
	res.Duration = cmp.Or(res.Duration, time.Since(c.start))
	res.Handed, res.Answered = c.start, c.answered
	return res
}

// cutShort is the result of a response that broke off, unless within a moment the
// runtime turns out to have ended, which is the better answer.
func (s *Server) cutShort(c *call) Result {
	res := unusable("Runtime.TruncatedResponse", "The response was cut short")
	res.Duration = time.Since(c.start) // the wait is not the function's
	s.mu.Lock()
	over := c.state != callAnswering
	s.mu.Unlock()
	if over {
		return res // of which nobody will hear
	}
	timer := time.NewTimer(exitGrace)
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
	}
	return res
}

// exitGrace is how long a response that was cut off waits for the news that its
// runtime has ended (chosen).
const exitGrace = 200 * time.Millisecond

// endAnswer gives res to the caller, unless it came too late.
func (s *Server) endAnswer(w *conn, c *call, res Result) error {
	res = c.timed(res)
	s.mu.Lock()
	defer s.unlock()
	state := c.state
	s.finish(c, outcome{res: res})
	return lateness(w, state)
}

// reopen undoes beginAnswer.
func (s *Server) reopen(w *conn, c *call) error {
	s.mu.Lock()
	defer s.unlock()
	state := c.state
	switch state {
	case callAnswering:
		c.state, c.reader = callRunning, nil
	case callTimedOut:
		s.finish(c, outcome{})
	}
	return lateness(w, state)
}

// lateness is what a worker is told whose call was over before its answer.
func lateness(w *conn, state callState) error {
	switch state {
	case callTimedOut:
		w.SetReadDeadline(time.Time{}) // expire bounded the reading; the connection is good for more
		return errLate
	case callDone:
		return errUnknownID
	}
	return nil
}

// refuse answers a post that has not been read.
func (s *Server) refuse(w *conn, r *http.Request, id string, err error) {
	drain(r)
	s.reply(w, r, id, err)
}

// reply sends the answer to a post.
func (s *Server) reply(w *conn, r *http.Request, id string, err error) {
	switch {
	case err == nil:
		writeAccepted(w)
	case errors.Is(err, errLate):
		agent := r.UserAgent()
		if s.cfg.OnLate != nil {
			s.cfg.OnLate(id, agent)
		}
		if s.cfg.Late == LateAccept || s.cfg.Late == LateByAgent && strings.HasPrefix(agent, goAgent) {
			writeAccepted(w)
			return
		}
		writeError(w, http.StatusGone, "InvokeTimeout", "Invoke timeout")
	case errors.Is(err, errUnknownID):
		writeError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	case errors.Is(err, errTooLarge):
		writeError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", textTooLarge)
	default:
		writeError(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
	}
}

// initError takes the report that init failed: once, then never again.
func (s *Server) initError(w *conn, r *http.Request) {
	body, _, err := readBody(r, MaxError)
	if err != nil {
		s.reply(w, r, "", err)
		return
	}
	errorType := filterErrorType(r.Header.Get(headerErrorType))
	s.mu.Lock()
	first := s.initPosts == 0
	s.initPosts++
	if first {
		s.initErr = InitError{Type: errorType, Body: body}
	}
	if first && s.phase == phaseInit {
		s.phase = phaseInitFailed
		close(s.initFailed)
	}
	s.mu.Unlock()
	if !first {
		writeError(w, http.StatusForbidden, "InvalidStateTransition",
			"State transition from InitError to InitError failed for runtime. Error: state transition is not allowed")
		return
	}
	writeAccepted(w)
}

// unusable is the result of an answer that can't be passed on.
func unusable(errorType, message string) Result {
	return Result{Status: StatusFunctionError, ErrorType: errorType, ContentType: typeJSON, Body: lamina.ErrorPayload(errorType, message)}
}

// trailerError makes res the error that the runtime sent after a body it had begun.
func trailerError(r *http.Request, res *Result) {
	errorType := r.Trailer.Get(headerErrorType)
	if errorType == "" {
		return
	}
	res.Status, res.ErrorType, res.ContentType = StatusFunctionError, filterErrorType(errorType), typeJSON
	if body, err := base64.StdEncoding.DecodeString(r.Trailer.Get(headerErrorBody)); err == nil {
		res.Body = body
	}
}

// buffers hold the growing bodies of chunked posts, whose length nobody tells.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// readBody reads at most limit bytes; size is what was seen of a longer one.
func readBody(r *http.Request, limit int64) (body []byte, size int64, err error) {
	if r.ContentLength > limit {
		drain(r)
		return nil, r.ContentLength, errTooLarge
	}
	if r.ContentLength >= 0 {
		body = make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, 0, errTruncated
		}
		return body, r.ContentLength, nil
	}
	return readChunked(r, limit)
}

func readChunked(r *http.Request, limit int64) (body []byte, size int64, err error) {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := r.Body.Read(buf[:])
		if size += int64(n); size > limit {
			return nil, size + drain(r), errTooLarge
		}
		body = append(body, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return body, size, nil
		}
		if err != nil {
			return nil, size, errTruncated
		}
	}
}

func drain(r *http.Request) int64 {
	n, _ := io.CopyN(io.Discard, r.Body, maxDrain)
	return n
}

// typePattern is what AWS accepts as an error type from the runtime.
var typePattern = regexp.MustCompile(`(Runtime|Function)\.[A-Z][a-zA-Z]+`)

// filterErrorType keeps what AWS keeps of a runtime's error type.
func filterErrorType(t string) string {
	switch {
	case typePattern.MatchString(t):
		return t
	case strings.HasPrefix(t, "Function."):
		return "Function.Unknown"
	default:
		return "Runtime.Unknown"
	}
}
