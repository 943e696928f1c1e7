package runtimeapi

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
)

// MaxExtensions is AWS's limit for one environment (runtime-api.md 1.8).
const MaxExtensions = 10

const (
	headerExtensionName    = "Lambda-Extension-Name"
	headerExtensionID      = "Lambda-Extension-Identifier"
	headerExtensionError   = "Lambda-Extension-Function-Error-Type"
	headerExtensionFeature = "Lambda-Extension-Accept-Feature"
	headerExtensionEvent   = "Lambda-Extension-Event-Identifier"
)

// Events for which an extension may register: ordinary functions have both,
// managed ones the second only.
const (
	eventInvoke   = "INVOKE"
	eventShutdown = "SHUTDOWN"
)

// The states of an extension, in AWS's words.
const (
	extensionStarted    = "Started"
	extensionRegistered = "Registered"
	extensionReady      = "Ready"   // waits for its next event
	extensionRunning    = "Running" // has one
	extensionInitError  = "InitError"
	extensionExitError  = "ExitError"
	extensionLaunch     = "LaunchError"
)

// extension is one of an environment: a process of its own (external), or part
// of the runtime's. Guarded by Server.mu.
type extension struct {
	name      string
	external  bool
	events    []string
	state     string
	errorType string
	poll      *extensionPoll // parked event/next
	due       []byte         // an event that came while none was parked
}

// extensions are those of one environment; guarded by Server.mu.
type extensions struct {
	all      []*extension
	byID     map[string]*extension
	closed   bool          // the runtime has polled: no more may register
	invoked  bool          // one at least has registered for INVOKE
	busy     int           // that have an INVOKE event and did not ask for the next one
	ending   bool          // Shutdown was called
	idle     chan struct{} // closed when none is busy any more; nil: nobody waits
	overrun  *time.Timer
	fault    InitError
	failed   chan struct{} // closed once fault is set
	arrived  chan struct{} // closed when all external ones have registered
	polled   chan struct{} // closed at the runtime's first poll
	overdue  chan struct{} // closed when an INVOKE event has taken longer than the invocation may
	released chan struct{} // closed by Close: nobody waits any more
}

func newExtensions() extensions {
	return extensions{
		byID: map[string]*extension{}, failed: make(chan struct{}), arrived: make(chan struct{}),
		polled: make(chan struct{}), overdue: make(chan struct{}), released: make(chan struct{}),
	}
}

// pending says that an extension has not asked for its next event.
func (x *extensions) pending() bool {
	return slices.ContainsFunc(x.all, func(e *extension) bool { return e.state == extensionStarted || e.state == extensionRegistered })
}

// refusal is a 403 with AWS's type and text.
type refusal struct{ errorType, message string }

func (r *refusal) Error() string { return r.errorType + ": " + r.message }

// badTransition is AWS's refusal of what an extension may not do in its state.
func (e *extension) badTransition(to string) error {
	return &refusal{"Extension.InvalidExtensionState",
		fmt.Sprintf("State transition from %s to %s failed for extension %s. Error: state transition is not allowed", e.state, to, e.name)}
}

// ExpectExtensions names the external ones, which are about to be started;
// called once at most, before the runtime runs.
func (s *Server) ExpectExtensions(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.ext.all = append(s.ext.all, &extension{name: name, external: true, state: extensionStarted})
	}
}

// ExtensionsRegistered is closed when every expected one has registered: the
// runtime may start.
func (s *Server) ExtensionsRegistered() <-chan struct{} { return s.ext.arrived }

// RuntimePolled is closed at the runtime's first poll, which ends registration.
// Ready comes when all extensions have asked for their next event too.
func (s *Server) RuntimePolled() <-chan struct{} { return s.ext.polled }

// Extensions tells how many are registered: with any, the runtime is asked to
// end before it is killed.
func (s *Server) Extensions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ext.byID)
}

// Extension is what can be told of one.
type Extension struct {
	Name      string
	State     string // AWS's words: Started, Registered, Ready, Running, InitError, ExitError, LaunchError
	Events    []string
	ErrorType string
}

// ListExtensions tells of all, registered or expected.
func (s *Server) ListExtensions() []Extension {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Extension
	for _, e := range s.ext.all {
		list = append(list, Extension{Name: e.name, State: e.state, Events: e.events, ErrorType: e.errorType})
	}
	return list
}

// ExtensionFailed is closed when an extension reports that it can't go on, or has ended.
func (s *Server) ExtensionFailed() <-chan struct{} { return s.ext.failed }

// ExtensionOverdue is closed when an ordinary function's extension has taken
// longer for an invocation than that may take.
func (s *Server) ExtensionOverdue() <-chan struct{} { return s.ext.overdue }

// ExtensionError is what it reported; zero before ExtensionFailed.
func (s *Server) ExtensionError() InitError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ext.fault
}

// ExtensionEnded tells that an external one has ended by itself, for which
// errorType is AWS's.
func (s *Server) ExtensionEnded(name, errorType, message string) {
	s.extensionGone(name, extensionExitError, errorType, message)
}

// ExtensionNotStarted tells that an external one can't be started.
func (s *Server) ExtensionNotStarted(name, errorType, message string) {
	s.extensionGone(name, extensionLaunch, errorType, message)
}

func (s *Server) extensionGone(name, state, errorType, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ext.ending {
		return
	}
	for _, e := range s.ext.all {
		if e.name == name && e.external {
			e.state, e.errorType = state, errorType
		}
	}
	s.extensionFault(InitError{Type: errorType, Body: lamina.ErrorPayload(errorType, message)})
}

// extensionFault keeps the first one; s.mu is held.
func (s *Server) extensionFault(f InitError) {
	if s.ext.fault.Type == "" {
		s.ext.fault = f
		close(s.ext.failed)
	}
}

// extension answers one request to the Extensions API.
func (s *Server) extension(w *conn, r *http.Request, rt routeKind) bool {
	var err error
	switch rt {
	case routeRegister:
		err = s.register(w, r)
	case routeExtensionNext:
		var goesOn bool
		if goesOn, err = s.extensionNext(w, r); err == nil {
			return goesOn
		}
	case routeTelemetry:
		err = s.subscribe(w, r)
	default:
		err = s.extensionError(w, r, rt)
	}
	if no, ok := errors.AsType[*refusal](err); ok {
		writeError(w, http.StatusForbidden, no.errorType, no.message)
	} else if err != nil {
		s.reply(w, r, "", err)
	}
	return true
}

// register admits an extension before the runtime is ready.
func (s *Server) register(w *conn, r *http.Request) error {
	body, _, err := readBody(r, MaxError)
	if err != nil {
		return err
	}
	name := r.Header.Get(headerExtensionName)
	if name == "" {
		return &refusal{"Extension.InvalidExtensionName", "Empty extension name"}
	}
	events, err := registeredEvents(body)
	if err != nil {
		return err
	}
	id := newUUID()
	if err := s.addExtension(name, id, events); err != nil {
		return err
	}
	answer := struct {
		FunctionName    string `json:"functionName"`
		FunctionVersion string `json:"functionVersion"`
		Handler         string `json:"handler"`
		AccountID       string `json:"accountId,omitempty"`
	}{s.cfg.Function, s.cfg.Version, s.cfg.Handler, ""}
	for feature := range strings.SplitSeq(r.Header.Get(headerExtensionFeature), ",") {
		if strings.TrimSpace(feature) == "accountId" {
			answer.AccountID = s.cfg.AccountID
		}
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.answerWith(http.StatusOK, typeJSON, headerExtensionID, id, raw)
	return nil
}

// newUUID makes a random identifier.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// registeredEvents reads a registration.
func registeredEvents(body []byte) ([]string, error) {
	var in struct {
		Events            []string `json:"events"`
		ConfigurationKeys []string `json:"configurationKeys"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &refusal{"InvalidRequestFormat", err.Error()}
	}
	if len(in.ConfigurationKeys) > 0 {
		return nil, &refusal{"InvalidRequestFormat", "configurationKeys are deprecated; use environment variables instead"}
	}
	return in.Events, nil
}

// checkEvents says which events an extension may register for.
func (s *Server) checkEvents(events []string, external bool) error {
	if !external && !s.cfg.Ordinary && len(events) > 0 {
		return &refusal{"Extension.InvalidEventType", "No events allowed for internal extensions"}
	}
	for _, event := range events {
		switch {
		case event == eventInvoke && s.cfg.Ordinary, event == eventShutdown && external:
		case event == eventShutdown:
			return &refusal{"Extension.InvalidEventType", event + ": ShutdownEventNotSupportedForInternalExtension"}
		default:
			return &refusal{"Extension.InvalidEventType", event + ": ErrorInvalidEventType"}
		}
	}
	return nil
}

// addExtension registers an expected extension by its file's name, any other as
// part of the runtime.
func (s *Server) addExtension(name, id string, events []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.ext.all, func(e *extension) bool { return e.name == name })
	external := i >= 0 && s.ext.all[i].external
	if err := s.checkEvents(events, external); err != nil {
		return err
	}
	var e *extension
	switch {
	case external:
		if e = s.ext.all[i]; e.state != extensionStarted {
			return e.badTransition(extensionRegistered)
		}
	case s.ext.closed || s.phase != phaseInit:
		return &refusal{"Extension.RegistrationClosed", "Extension registration closed already"}
	case i >= 0:
		return &refusal{"Extension.InvalidExtensionState", "Extension with this name already registered"}
	case len(s.ext.all) >= MaxExtensions:
		return &refusal{"Extension.TooManyExtensions", fmt.Sprintf("Extension limit (%d) reached", MaxExtensions)}
	default:
		e = &extension{name: name}
		s.ext.all = append(s.ext.all, e)
	}
	e.state, e.events = extensionRegistered, events
	s.ext.byID[id] = e
	s.ext.invoked = s.ext.invoked || slices.Contains(events, eventInvoke)
	if external && !slices.ContainsFunc(s.ext.all, func(e *extension) bool { return e.state == extensionStarted }) {
		close(s.ext.arrived)
	}
	return nil
}

// identify finds who asks; s.mu is held.
func (s *Server) identify(r *http.Request) (*extension, error) {
	id := r.Header.Get(headerExtensionID)
	switch {
	case id == "":
		return nil, &refusal{"Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"}
	case !uuid.MatchString(id):
		return nil, &refusal{"Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"}
	case s.ext.byID[id] == nil:
		return nil, &refusal{"Extension.UnknownExtensionIdentifier", "Unknown extension " + id}
	}
	return s.ext.byID[id], nil
}

// closeRegistration is the runtime's first poll; s.mu is held.
func (s *Server) closeRegistration() {
	if !s.ext.closed {
		s.ext.closed = true
		close(s.ext.polled)
	}
	s.becomeReady()
}

// becomeReady completes init when the runtime has polled and no extension is
// missing; s.mu is held.
func (s *Server) becomeReady() {
	if s.phase == phaseInit && s.ext.closed && !s.ext.pending() {
		s.phase = phaseReady
		s.tel.closeSubscriptions()
		close(s.ready)
	}
}

// extensionError takes the report that an extension can't start or go on.
func (s *Server) extensionError(w *conn, r *http.Request, rt routeKind) error {
	body, _, err := readBody(r, MaxError)
	if err != nil {
		return err
	}
	if err := s.noteExtensionError(r, rt, body); err != nil {
		return err
	}
	writeAccepted(w)
	return nil
}

func (s *Server) noteExtensionError(r *http.Request, rt routeKind, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.identify(r)
	if err != nil {
		return err
	}
	posted := r.Header.Get(headerExtensionError)
	if posted == "" {
		return &refusal{"Extension.MissingHeader", "Missing " + headerExtensionError + " header"} // text chosen
	}
	to, generic := extensionExitError, "Extension.ExitError"
	if rt == routeExtensionInitError {
		to, generic = extensionInitError, "Extension.InitError"
	}
	if e.state != to {
		if e.state == extensionInitError || e.state == extensionExitError || to == extensionInitError && e.state != extensionRegistered {
			return e.badTransition(to)
		}
		if !strings.HasPrefix(posted, "Extension.") {
			posted = generic
		}
		e.state, e.errorType = to, posted
		s.extensionFault(InitError{Type: posted, Body: body}) // the first one stands
	}
	return nil
}
