package runtimeapi

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// maxExtensions is AWS's limit for one environment (runtime-api.md 1.8).
const maxExtensions = 10

const (
	headerExtensionName    = "Lambda-Extension-Name"
	headerExtensionID      = "Lambda-Extension-Identifier"
	headerExtensionError   = "Lambda-Extension-Function-Error-Type"
	headerExtensionFeature = "Lambda-Extension-Accept-Feature"
)

// extension is a registered one. All are internal, that is part of the
// runtime's own process; nobody starts others yet.
type extension struct {
	name  string
	polls map[*conn]struct{} // parked event/next
	ready bool               // has asked for its next event
}

// extensions are those of one environment, by identifier; guarded by Server.mu.
type extensions struct {
	byID   map[string]*extension
	closed bool // the runtime has polled: no more may register
	fault  InitError
	failed chan struct{} // closed once fault is set
}

// pending says that an extension has not asked for its next event.
func (x *extensions) pending() bool {
	for _, e := range x.byID {
		if !e.ready {
			return true
		}
	}
	return false
}

// refusal is a 403 with AWS's type and text.
type refusal struct{ errorType, message string }

func (r *refusal) Error() string { return r.errorType + ": " + r.message }

// Extensions tells how many are registered: with any, the runtime is asked to
// end before it is killed.
func (s *Server) Extensions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ext.byID)
}

// ExtensionFailed is closed when an extension reports that it can't go on.
func (s *Server) ExtensionFailed() <-chan struct{} { return s.ext.failed }

// ExtensionError is what it reported; zero before ExtensionFailed.
func (s *Server) ExtensionError() InitError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ext.fault
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
	if err := checkRegistration(name, body); err != nil {
		return err
	}
	id := newUUID()
	if err := s.addExtension(name, id); err != nil {
		return err
	}
	answer := struct {
		FunctionName    string `json:"functionName"`
		FunctionVersion string `json:"functionVersion"`
		Handler         string `json:"handler"`
		AccountID       string `json:"accountId,omitempty"`
	}{s.cfg.Function, s.cfg.Version, s.cfg.Handler, ""}
	if strings.Contains(r.Header.Get(headerExtensionFeature), "accountId") {
		answer.AccountID = s.cfg.AccountID
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

// checkRegistration judges what needs no state.
func checkRegistration(name string, body []byte) error {
	if name == "" {
		return &refusal{"Extension.InvalidExtensionName", "Empty extension name"}
	}
	var in struct {
		Events []string `json:"events"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // configurationKeys among them
	if err := d.Decode(&in); len(body) > 0 && err != nil {
		return &refusal{"InvalidRequestFormat", err.Error()}
	}
	for _, event := range in.Events {
		if event != "SHUTDOWN" {
			return &refusal{"Extension.InvalidEventType", event + ": ErrorInvalidEventType"}
		}
	}
	if len(in.Events) > 0 {
		return &refusal{"Extension.InvalidEventType", "No events allowed for internal extensions"}
	}
	return nil
}

func (s *Server) addExtension(name, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.ext.byID {
		if e.name == name {
			return &refusal{"Extension.InvalidExtensionState", "An extension named " + name + " is registered already"} // chosen
		}
	}
	switch {
	case s.ext.closed || s.phase != phaseInit:
		return &refusal{"Extension.RegistrationClosed", "Extension registration closed already"}
	case len(s.ext.byID) >= maxExtensions:
		return &refusal{"Extension.TooManyExtensions", fmt.Sprintf("Extension limit (%d) reached", maxExtensions)}
	}
	s.ext.byID[id] = &extension{name: name, polls: map[*conn]struct{}{}}
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

// extensionNext parks the request until the environment ends: an internal
// extension has no events. Init is complete once all have come here.
func (s *Server) extensionNext(w *conn, r *http.Request) (goesOn bool, err error) {
	s.mu.Lock()
	e, err := s.identify(r)
	if err != nil {
		s.mu.Unlock()
		return true, err
	}
	if s.phase == phaseEnded {
		s.mu.Unlock()
		return false, nil
	}
	e.ready = true
	e.polls[w] = struct{}{}
	s.becomeReady()
	s.mu.Unlock()
	if _, err := w.r.Peek(1); err == nil { // did not wait for its answer
		<-s.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(e.polls, w)
	return false, nil
}

// becomeReady completes init when the runtime has polled and no extension is
// missing; s.mu is held.
func (s *Server) becomeReady() {
	if s.phase == phaseInit && s.ext.closed && !s.ext.pending() {
		s.phase = phaseReady
		close(s.ready)
	}
}

// breakOffExtensions lets their parked requests fail; s.mu is held.
func (s *Server) breakOffExtensions() {
	for _, e := range s.ext.byID {
		for w := range e.polls {
			w.breakOff()
		}
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
	if _, err := s.identify(r); err != nil {
		return err
	}
	posted := r.Header.Get(headerExtensionError)
	if posted == "" {
		return &refusal{"Extension.MissingHeader", "Missing " + headerExtensionError + " header"} // text chosen
	}
	if !strings.HasPrefix(posted, "Extension.") {
		posted = "Extension.ExitError"
		if rt == routeExtensionInitError {
			posted = "Extension.InitError"
		}
	}
	if s.ext.fault.Type == "" { // the first one stands
		s.ext.fault = InitError{Type: posted, Body: body}
		close(s.ext.failed)
	}
	return nil
}
